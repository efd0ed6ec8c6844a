"""What a type checker makes of measured code: `make check` has mypy read each assert_type; here they run as well."""

import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, assert_type, get_overloads, get_type_hints, overload
from unittest.mock import Mock

import pytest

from dyno.metrics import correlated, track_performance
from dyno.metrics.track import Tracker
from tests.unit.metrics.recording import recording

ROOT = Path(__file__).parents[3]


@track_performance
def plain(day: int, *, hurry: bool = False) -> str:
    """Plans."""
    return f"{day}{hurry}"


@track_performance()
def called(day: int) -> str:
    return str(day)


@track_performance("Planner", include_metadata=True)
async def waits(day: int) -> str:
    return str(day)


@track_performance
def counts(to: int) -> Iterator[int]:
    yield from range(to)


@track_performance("Planner")
async def acounts(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number


@overload
def either(given: int) -> int: ...
@overload
def either(given: str) -> str: ...
@track_performance
def either(given: int | str) -> int | str:
    return given


class Planner:
    @track_performance
    def method(self, day: int) -> str:
        return str(day)

    @track_performance("Planner")
    async def amethod(self, day: int) -> str:
        return str(day)

    @staticmethod
    @track_performance
    def below_static(day: int) -> str:
        return str(day)

    @track_performance
    @staticmethod
    def above_static(day: int) -> str:
        return str(day)

    @classmethod
    @track_performance
    def below_class(cls, day: int) -> tuple[type["Planner"], int]:
        return cls, day

    @track_performance
    @classmethod
    def above_class(cls, day: int) -> tuple[type["Planner"], int]:
        return cls, day

    @property
    @track_performance
    def today(self) -> str:
        return "today"


class Doubler:
    def __call__(self, number: int) -> int:
        return 2 * number


def test_functions_keep_their_types() -> None:
    keeps: Callable[[int], str] = called

    assert_type(plain(1, hurry=True), str)
    assert_type(called(1), str)
    assert_type(keeps(1), str)
    assert_type(track_performance("S")(lambda: str(5))(), str)
    assert_type(track_performance(Doubler()), Doubler)
    assert_type(either(1), int)
    assert_type(either("one"), str)


def test_what_is_awaited_or_iterated_keeps_its_types() -> None:
    async def go() -> None:
        waiting = waits(1)
        assert_type([waiting], list[Coroutine[Any, Any, str]])
        assert_type(await waiting, str)
        assert_type(await Planner().amethod(1), str)
        assert_type([number async for number in acounts(2)], list[int])

    starts: Callable[[int], Awaitable[str]] = waits
    assert starts is waits
    assert_type(counts(2), Iterator[int])
    assert_type(acounts(2), AsyncIterator[int])
    with recording():
        asyncio.run(go())


def test_methods_keep_their_types() -> None:
    planner = Planner()

    assert_type(planner.method(1), str)
    assert_type(Planner.method(planner, 1), str)
    assert_type((planner.below_static(1), Planner.below_static(1)), tuple[str, str])
    assert_type((planner.above_static(1), Planner.above_static(1)), tuple[str, str])
    assert_type((planner.below_class(1)[0], Planner.below_class(1)[1]), tuple[type[Planner], int])
    assert_type((planner.above_class(1)[0], Planner.above_class(1)[1]), tuple[type[Planner], int])
    assert_type(planner.today, str)


def test_blocks_give_nothing_and_hide_no_exception() -> None:
    def returns() -> int:
        with track_performance("S"):
            return 5  # nothing needs to follow: a block that may swallow an exception would need it

    async def go() -> int:
        async with track_performance("S") as nothing:
            assert_type(nothing, None)
            return 5

    assert_type(track_performance("S", method="sort"), Tracker)
    with recording():
        assert returns() == asyncio.run(go()) == 5


class Client:
    """As much of a boto3 client as there is to correlate."""

    def __init__(self) -> None:
        self.meta = Mock()


def test_a_client_keeps_its_type() -> None:
    client = Client()

    assert_type(correlated(client), Client)
    assert correlated(client) is client


def test_signatures_and_names_are_kept_for_those_who_ask_at_run_time() -> None:
    assert str(inspect.signature(plain)) == "(day: int, *, hurry: bool = False) -> str"
    assert str(inspect.signature(Planner().method)) == "(day: int) -> str"
    assert get_type_hints(plain) == {"day": int, "hurry": bool, "return": str}
    assert (plain.__name__, plain.__qualname__, plain.__module__, plain.__doc__) == (
        "plain",
        "plain",
        __name__,
        "Plans.",
    )
    assert inspect.unwrap(plain).__code__.co_name == "plain"
    assert len(get_overloads(either)) == 2


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (plain, None),
        (waits, inspect.iscoroutinefunction),
        (Planner.amethod, inspect.iscoroutinefunction),
        (counts, inspect.isgeneratorfunction),
        (acounts, inspect.isasyncgenfunction),
    ],
)
def test_each_is_still_of_its_kind(function: Callable[..., Any], kind: Callable[..., bool] | None) -> None:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)

    assert [each for each in kinds if each(function)] == ([kind] if kind else [])


WRONG = {
    "a result": "assert_type(plain(1), int)",
    "an argument": "plain('one')",
    "an argument that is not there": "plain(1, 2)",
    "an awaited result": "async def f() -> int: return await waits(1)",
    "an item": "assert_type(next(counts(1)), str)",
    "an async item": "assert_type(acounts(1), AsyncIterator[str])",
    "a method's result": "assert_type(Planner().method(1), int)",
    "a static method's argument": "Planner.above_static('one')",
    "a class method's result": "assert_type(Planner.above_class(1), int)",
    "an overload": "assert_type(either('one'), int)",
    "a service": "track_performance(5)",
}


def test_the_type_checker_finds_each_planted_fault(tmp_path: Path) -> None:
    lines = [
        f"from {__name__} import *",
        "from collections.abc import AsyncIterator",
        "from typing import assert_type",
        *WRONG.values(),
    ]
    planted = tmp_path / "planted.py"
    planted.write_text("\n".join(lines))

    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", planted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    faulty = {int(number) for number in re.findall(r"planted\.py:(\d+): error: ", run.stdout)}
    assert faulty == set(range(4, len(lines) + 1)), run.stdout + run.stderr
