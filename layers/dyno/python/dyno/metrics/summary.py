"""What a record may say about a result: that it succeeded, by which id, moved by how much; never its content."""

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

from dyno.metrics.scrub import storable

MAX_KEYS = 50
MAX_LENGTH = 64
MAX_NUMBER = 2**53

Reader = Callable[[str, None], Any]


class Summary(NamedTuple):
    """
    What a result says.

    Attributes:
        metadata: JSON: result_keys; of success_flag, backup_used, shift_days and allocation_id those that the result
            knows; and replayed, if it is the answer to an earlier call once more.
        placed: Whether the call made the allocation that it names.
    """

    metadata: str = "{}"
    placed: bool = False


def summary(result: object) -> Summary:
    """The summary of a mapping, a pydantic model or a dataclass; of others nothing."""
    keys, read = _opened(result)
    if read is None:
        return Summary()
    success, replayed = read("success", None), read("replayed", None) is True
    allocation_id = _number("allocation_id", _allocation_id(read))
    metadata = (
        f'{{"result_keys":{_listed(keys)}'
        f"{_flag('success_flag', success)}{_flag('backup_used', read('backup_used', None))}"
        f"{_flag('replayed', replayed or None)}{_number('shift_days', read('shift_days', None))}{allocation_id}}}"
    )
    return Summary(metadata, bool(allocation_id) and success is not False and not replayed)


def _opened(result: object) -> tuple[tuple[Any, ...], Reader | None]:
    if type(result) is dict or isinstance(result, Mapping):
        return tuple(islice(result, MAX_KEYS)), result.get
    fields = getattr(type(result), "model_fields", None)
    if fields is None and is_dataclass(result):
        fields = result.__dataclass_fields__
    return (tuple(islice(fields, MAX_KEYS)), partial(getattr, result)) if isinstance(fields, dict) else ((), None)


@lru_cache(maxsize=64)  # a method's results have the same keys every time
def _listed(keys: tuple[Any, ...]) -> str:
    return json.dumps([storable(str(key)[:MAX_LENGTH]) for key in keys], separators=(",", ":"))


def _flag(name: str, value: object) -> str:
    if value is True:
        return f',"{name}":true'
    return f',"{name}":false' if value is False else ""


def _number(name: str, value: object) -> str:
    return f',"{name}":{value}' if type(value) is int and -MAX_NUMBER < value < MAX_NUMBER else ""


def _allocation_id(read: Reader) -> object:
    own = read("allocation_id", None)
    if own is not None:
        return own
    allocation = read("allocation", None)
    inside = None if allocation is None else _opened(allocation)[1]
    return None if inside is None else inside("allocation_id", None)
