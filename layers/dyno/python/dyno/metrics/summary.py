"""What a record may say about a result: that it succeeded, by which id, moved by how much; never its content."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from inspect import getattr_static
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from dyno.scrub import scrub

MAX_KEYS = 50
MAX_LENGTH = 64
MAX_KEYS_BYTES = 4_000
"""Of all keys together, as JSON: a line of the longest names still has room for what comes behind them."""

MIN_NUMBER, MAX_NUMBER = -(2**53), 2**53

Keys = tuple[str, ...]
Part = Callable[[Any, str], Any]
"""From a result and a name to what the result has by that name; None if it has nothing. It runs no code of a class's: a
property may ask a database, and be right to."""

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
        # As text at once: 1 and True are one key to a cache.
        keys = tuple(map(str, result if len(result) <= MAX_KEYS else islice(result, MAX_KEYS)))
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
    names: Any = getattr(of, "model_fields", None)
    if names is None and is_dataclass(of):
        names = {field.name: field for field in fields(of)}
    if not isinstance(names, dict):
        return None
    there = frozenset(
        name for name in _ASKED if name in names and not isinstance(getattr_static(of, name, 0), property)
    )
    return tuple(islice(names, MAX_KEYS)), lambda result, name: getattr(result, name, None) if name in there else None


_ASKED = ("success", "backup_used", "replayed", "shift_days", "allocation_id", "allocation")


@lru_cache(maxsize=64)  # a method's results have the same keys every time
def _begun(keys: Keys, success: bool | None, backup_used: bool | None, replayed: bool) -> str:
    """The metadata up to its numbers."""
    flags = {"success_flag": success, "backup_used": backup_used, "replayed": replayed or None}
    said = "".join(f',"{name}":{str(flag).lower()}' for name, flag in flags.items() if flag is not None)
    return f'{{"result_keys":[{_listed(keys)}]{said}'


def _listed(keys: Keys) -> str:
    """The first of them that there is room for."""
    listed = ""
    for key in keys:
        more = f"{listed},{_key(key)}" if listed else _key(key)
        if len(more) > MAX_KEYS_BYTES:
            break
        listed = more
    return listed


@lru_cache(maxsize=1_000)  # results of other keys may still share most
def _key(key: str) -> str:
    # Of a dict by user or by message, they are data.
    return quoted(scrub(key, MAX_LENGTH))


def _number(name: str, value: object) -> str:
    return f',"{name}":{value}' if type(value) is int and MIN_NUMBER < value < MAX_NUMBER else ""


def _inside(allocation: object) -> object:
    kind = _kind(type(allocation))  # type: ignore[arg-type]
    return None if kind is None else kind[1](allocation, "allocation_id")
