"""The doors that answer the API, found by looking for them: a new one is in every test of all routes at once."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from cdk.stage import ROOT
from dyno.http import Door


def doors() -> tuple[ModuleType, ...]:
    """Every functions/*/handler.py that has a `door`, in order of name."""
    handlers = sorted((ROOT / "functions").glob("*/handler.py"))
    modules = (import_module(f"functions.{path.parent.name}.handler") for path in handlers)
    return tuple(module for module in modules if isinstance(getattr(module, "door", None), Door))


DOORS = doors()


def name(door: ModuleType) -> str:
    """The function's, as the table of routes has it."""
    return door.__name__.split(".")[1]


def routes(of: Iterable[ModuleType] = DOORS) -> Iterator[tuple[str, ModuleType, Callable[..., Any]]]:
    """Every route as `GET /dynos/{dyno_id}`, with its door and its function."""
    for door in of:
        for method, path, function in door.door.routes():
            yield f"{method} {path.replace('<', '{').replace('>', '}')}", door, function
