"""What a record may say about a result: that it succeeded, by which id, moved by how much; never its content."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import partial
from typing import Any

from dyno.metrics.scrub import storable

MAX_KEYS = 50
MAX_LENGTH = 64
MAX_NUMBER = 2**53

_FLAGS: tuple[tuple[str, str, type[int]], ...] = (
    ("success_flag", "success", bool),
    ("backup_used", "backup_used", bool),
    ("shift_days", "shift_days", int),
    ("allocation_id", "allocation_id", int),
)

Reader = Callable[[str, None], Any]


def summary(result: object) -> dict[str, object]:
    """
    The metadata of a call, from its result: a mapping, a pydantic model or a dataclass; of anything else nothing.

    Returns:
        result_keys, and of success_flag, backup_used, shift_days and allocation_id those that the result knows.
    """
    keys, read = _opened(result)
    if read is None:
        return {}
    told: dict[str, object] = {"result_keys": [_key(key) for key in keys[:MAX_KEYS]]}
    for name, field, kind in _FLAGS:
        value = _allocation_id(read) if field == "allocation_id" else read(field, None)
        if type(value) is kind and -MAX_NUMBER < value < MAX_NUMBER:
            told[name] = value
    return told


def _opened(result: object) -> tuple[list[Any], Reader | None]:
    if type(result) is dict or isinstance(result, Mapping):
        return list(result), result.get
    fields = getattr(type(result), "model_fields", None)
    if fields is None and is_dataclass(result):
        fields = result.__dataclass_fields__
    return (list(fields), partial(getattr, result)) if isinstance(fields, dict) else ([], None)


def _allocation_id(read: Reader) -> object:
    own = read("allocation_id", None)
    if own is not None:
        return own
    _, inside = _opened(read("allocation", None))
    return inside("allocation_id", None) if inside is not None else None


def _key(key: object) -> str:
    return storable(str(key)[:MAX_LENGTH])
