"""Imports at once, and beside those who book and move: all of a sheet or nothing, each test once, no overlap."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from dyno.allocation import planning
from dyno.allocation import service as bookings
from dyno.allocation.planning_model import AllocationChange
from dyno.database import engine
from dyno.errors import Conflict, Stale, Unavailable
from dyno.imports import service
from dyno.imports.model import DateOrder
from dyno.imports.report import Wanted
from dyno.imports.service import Course
from dyno.settings import Settings
from tests.integration.imports.conftest import TERMS, sheet
from tests.integration.imports.test_bookings import TESTS
from tests.lab import ADMIN, MONDAY, Lab
from tests.lab import TERMS as LIMITS

CLIENTS, DYNOS, DAYS = 4, 4, 5
"""Fewer at once than the login may have sessions."""


@pytest.fixture
def at_once(settings_as: Callable[[str], Settings]) -> Any:
    """Lets people do things at once, each on a connection of their own as a role; gives what came of each."""

    def run(works: list[tuple[str, Callable[[Any], Any]]]) -> list[Any]:
        def one(role: str, work: Callable[[Any], Any]) -> Any:
            over = engine.__wrapped__(settings_as(role), answer_timeout_s=20)
            try:
                return work(over)
            except (Conflict, Stale, Unavailable) as error:
                return error
            finally:
                over.dispose()

        with ThreadPoolExecutor(len(works)) as pool:
            return list(pool.map(lambda each: one(*each), works))

    return run


def import_(content: bytes, *, partial: bool = False) -> tuple[str, Callable[[Any], Any]]:
    wanted = Wanted(date_order=DateOrder.YMD, partial=partial)
    return "dyno_imports", lambda over: service.import_file(
        over, content, wanted, charset=None, actor=ADMIN, terms=TERMS, course=Course()
    )


def wanted_tests(vins: list[str], days: int = DAYS) -> bytes:
    return sheet(
        TESTS, *((vin, "brake", MONDAY + timedelta(days=number % days), 1, "", "") for number, vin in enumerate(vins))
    )


@pytest.fixture
def cells(lab: Lab) -> Lab:
    for number in range(DYNOS):
        lab.dyno(f"Cell {number}", "brake any any", turnaround_days=number % 2)
    return lab


def test_a_sheet_that_is_sent_many_times_at_once_is_imported_once(cells: Lab, at_once: Any) -> None:
    vins = cells.vehicles(DYNOS * 2)

    answers = at_once([import_(wanted_tests(vins))] * CLIENTS)

    counts = Counter((each.counts.booked, each.counts.unchanged) for each in answers)
    assert counts == {(len(vins), 0): 1, (0, len(vins)): CLIENTS - 1}
    assert cells.sql("select count(*) from occupancies") == len(vins)


def test_an_import_among_those_who_book_and_move_is_done_whole_and_nobody_is_double_booked(
    cells: Lab, at_once: Any
) -> None:
    vins = cells.vehicles(40)
    theirs, sheets = vins[:16], (vins[16:28], vins[28:])

    def book(over: Any) -> list[int | None]:
        return [
            cells.auto_allocate(vin, over=over, backup=True, max_backup_days=30).allocation_id for vin in theirs[:8]
        ]

    def move(over: Any) -> int:
        moved = 0
        for vin in theirs[8:]:
            booked: Any = cells.auto_allocate(vin, over=over, backup=True, max_backup_days=30).allocation
            change = AllocationChange(start_date=booked.start_date + timedelta(days=60 + 20 * moved))
            planning.change_allocation(
                over, booked.allocation_id, change, version=booked.version, actor=ADMIN, terms=LIMITS
            )
            moved += 1
        return moved

    answers = at_once(
        [
            ("dyno_allocations", book),
            ("dyno_allocations", move),
            *(import_(wanted_tests(some), partial=True) for some in sheets),
        ]
    )

    booked, moved, *reports = answers
    assert (len(booked), moved) == (8, 8)
    assert [report.counts.booked + report.counts.refused for report in reports] == [12, 12]
    assert cells.sql("select count(*) from occupancies") == 16 + sum(report.counts.booked for report in reports)
    assert not bookings.list_conflicts(cells.over, None, 10).items


def test_an_import_that_cannot_be_done_among_others_leaves_nothing(cells: Lab, at_once: Any) -> None:
    vins = cells.vehicles(60)
    too_many = wanted_tests(vins[:50], days=1)

    refused, *others = at_once([import_(too_many), *(import_(wanted_tests([vin])) for vin in vins[50:53])])

    assert isinstance(refused, Conflict)
    assert [each.counts.booked for each in others] == [1] * 3
    assert cells.sql("select count(*) from occupancies") == 3
    assert cells.sql("select count(*) from imported_requests") == 3
