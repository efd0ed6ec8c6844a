"""What a record may say about a result: that it succeeded, by which id, moved by how much; never its content."""

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from dyno.metrics.scrub import storable

MAX_KEYS = 50
MAX_LENGTH = 64
MIN_NUMBER, MAX_NUMBER = -(2**53), 2**53

Keys = tuple[Any, ...]
Part = Callable[[Any, str], Any]
"""From a result and a name to what the result has by that name; None if it has nothing."""

NOTHING = ("{}", False)


def summary(result: Any) -> tuple[str, bool]:  # noqa: ANN401  # whatever a function gives
    """
    What a mapping, a pydantic model or a dataclass says of itself; of others nothing.

    Returns:
        The metadata, as JSON: result_keys; of success_flag, backup_used, shift_days and allocation_id those that the
        result knows; and replayed, if it is the answer to an earlier call once more. And whether the call made the
        allocation that it names.
    """
    kind = _kind(type(result))  # type: ignore[arg-type]  # mypy asks the class whether its instances can be hashed
    if kind is None:
        return NOTHING
    keys, part = kind
    if keys is None:
        keys = tuple(result) if len(result) <= MAX_KEYS else tuple(islice(result, MAX_KEYS))
    success, backup_used, replayed = part(result, "success"), part(result, "backup_used"), part(result, "replayed")
    allocation_id, allocation = part(result, "allocation_id"), part(result, "allocation")
    if allocation_id is None and allocation is not None:
        allocation_id = _inside(allocation)
    begun = _begun(
        keys,
        success if success is True or success is False else None,
        backup_used if backup_used is True or backup_used is False else None,
        replayed is True,
    )
    named = _number("allocation_id", allocation_id)
    placed = named != "" and success is not False and replayed is not True
    return f"{begun}{_number('shift_days', part(result, 'shift_days'))}{named}}}", placed


@lru_cache(maxsize=256)  # the same few classes come again and again, and asking a class is slow
def _kind(of: type) -> tuple[Keys | None, Part] | None:
    """The keys of a class's results, None where each has its own, and how to read one; None if there is nothing."""
    if issubclass(of, Mapping):
        return None, of.get
    fields = getattr(of, "model_fields", None)
    if fields is None and is_dataclass(of):
        fields = of.__dataclass_fields__
    if not isinstance(fields, dict):
        return None
    there = frozenset(name for name in _ASKED if name in fields or hasattr(of, name))
    return tuple(islice(fields, MAX_KEYS)), lambda result, name: getattr(result, name, None) if name in there else None


_ASKED = ("success", "backup_used", "replayed", "shift_days", "allocation_id", "allocation")


@lru_cache(maxsize=64)  # a method's results have the same keys every time
def _begun(keys: Keys, success: bool | None, backup_used: bool | None, replayed: bool) -> str:
    """The metadata up to its numbers."""
    listed = json.dumps([storable(str(key)[:MAX_LENGTH]) for key in keys], separators=(",", ":"))
    flags = {"success_flag": success, "backup_used": backup_used, "replayed": replayed or None}
    said = "".join(f',"{name}":{json.dumps(flag)}' for name, flag in flags.items() if flag is not None)
    return f'{{"result_keys":{listed}{said}'


def _number(name: str, value: object) -> str:
    return f',"{name}":{value}' if type(value) is int and MIN_NUMBER < value < MAX_NUMBER else ""


def _inside(allocation: object) -> object:
    kind = _kind(type(allocation))  # type: ignore[arg-type]
    return None if kind is None else kind[1](allocation, "allocation_id")
