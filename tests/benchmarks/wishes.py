"""What clients want of a lab; each gives a client's own, by its number and how many clients there are."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count, islice

from tests.benchmarks.clients import Wish
from tests.benchmarks.lab import FIRST_DAY, TESTS, Size, full_day

_STRIDE = 7_919
"""A prime: steps of that length are on every day of a calendar before they are on one again."""

NOBODYS = "a test that no dyno can run"

_MOST_CLIENTS, _MOST_WISHES, _APART_DAYS = 32, 1_000_000, 20
"""Of a run, so that wishes of several have numbers, newcomers and days of their own."""


def warm_up(size: Size, client: int, *, run: int = 0, refused: bool = True) -> Iterator[Wish]:
    """
    One of each test, for newcomers whom nobody else wants, in no other run of the same copy either; and one of a test
    that nobody can run, unless a refusal is to be something new.
    """
    first = (run * _MOST_CLIENTS + client) * (len(TESTS) + 1)
    for number, test_type in enumerate(TESTS, start=first):
        yield Wish(-1 - number, size.newcomers - number, test_type, _day(size, number))
    if refused:
        number = first + len(TESTS)
        yield Wish(-1 - number, size.newcomers - number, NOBODYS, _day(size, number), max_shift=0)


def all_over(size: Size, client: int, clients: int) -> Iterator[Iterator[Wish]]:
    """One series without an end: newcomers, every test, and days from all over the calendar."""
    yield (
        Wish(number, 1 + number, TESTS[number % len(TESTS)], _day(size, number)) for number in count(client, clients)
    )


def some(size: Size, number: int, client: int, clients: int) -> Iterator[Iterator[Wish]]:
    """The first so many of these."""
    for series in all_over(size, client, clients):
        yield islice(series, number)


def impossible(size: Size, days: int, client: int, clients: int) -> Iterator[Iterator[Wish]]:
    """One series without an end: newcomers, on so many days that were filled up."""
    yield (Wish(number, 1 + number, TESTS[0], full_day(size), days - 1) for number in count(client, clients))


def one_day(size: Size, client: int, clients: int, *, run: int = 0) -> Iterator[Iterator[Wish]]:
    """
    One series: newcomers, all on the same day, on which nobody is; whoever is refused has seen that it is full.

    Args:
        run: In the same copy; each has a day of its own, so far from the others' that nobody meets.
    """
    day = full_day(size) + timedelta(days=run * _APART_DAYS)
    yield (
        Wish(run * _MOST_WISHES + number, 1 + number, TESTS[0], day, max_shift=0, dyno_id=1 + number % size.dynos)
        for number in count(client, clients)
    )


def one_vehicle(size: Size, vehicles: int, days: int, client: int, clients: int) -> Iterator[Iterator[Wish]]:
    """A series for each of so many vehicles, the same for all clients, on so many days; until these are all taken."""
    numbers = count(client, clients)
    for vehicle_id in range(1, vehicles + 1):
        yield (Wish(number, vehicle_id, TESTS[0], full_day(size), days - 1) for number in numbers)


def _day(size: Size, number: int) -> date:
    return FIRST_DAY + timedelta(days=number * _STRIDE % size.days)
