"""People out of sheets: enrolled once, by an id and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from dyno.auth import Actor, Permission, Reach
from dyno.errors import Forbidden, ImportInvalid, ImportRefused
from dyno.imports.model import Kind
from dyno.imports.report import Counts
from tests.integration.imports.conftest import Import, sheet
from tests.integration.imports.test_registry import VEHICLES, VIN, told
from tests.lab import TODAY, Lab

PEOPLE = ("User id", "E-mail", "Name", "Role", "Enrolled at")
LAST_WEEK = TODAY - timedelta(days=7)
BEGAN = datetime(LAST_WEEK.year, LAST_WEEK.month, LAST_WEEK.day, tzinfo=UTC)


def test_people_are_enrolled_once_and_a_second_time_changes_nothing(lab: Lab, import_: Import) -> None:
    people = sheet(
        PEOPLE,
        ("ann-1", "ann@example.com", "Ann", "", LAST_WEEK),
        ("bob-2", "", "", "Power user", f"{LAST_WEEK}T10:30:00+02:00"),
        ("cat-3", "", "", "admin", ""),
    )

    first, second = import_(people), import_(people)

    assert (first.counts, second.counts) == (Counts(created=3), Counts(unchanged=3))
    assert lab.rows("select sub, role, version from users order by sub") == [
        ("ann-1", "user", 1), ("bob-2", "power_user", 1), ("cat-3", "admin", 1)
    ]  # fmt: skip
    assert lab.rows("select enrolled_at from users where sub < 'c' order by sub") == [
        (BEGAN,),
        (BEGAN + timedelta(hours=8, minutes=30),),
    ]


def test_neither_names_nor_addresses_are_looked_at(lab: Lab, import_: Import) -> None:
    report = import_(sheet(PEOPLE, ("ann-1", "ann@example.com", "Ann", "user", "")))

    assert report.sheets[0].ignored == ["E-mail", "Name"]
    assert "example.com" not in report.model_dump_json() + lab.sql("select string_agg(u::text, '') from users u")


def test_an_id_alone_is_enough(lab: Lab, import_: Import) -> None:
    report = import_(sheet(PEOPLE, ("ann-1", "", "", "", "")))

    assert (told(report), lab.sql("select count(*) from users")) == ([("ann-1", "created", [])], 1)


def test_what_cannot_be_enrolled_says_why(lab: Lab, import_: Import) -> None:
    report = import_(
        sheet(
            PEOPLE,
            ("ann-1", "", "", "user", ""),
            ("ann-1", "", "", "user", ""),
            ("ann-1", "", "", "admin", ""),
            ("bob-2", "", "", "user", TODAY + timedelta(days=2)),
            ("cat@example.com", "", "", "user", ""),
            ("", "dan@example.com", "", "user", ""),
            ("eve-5", "", "", "king", ""),
        ),
        partial=True,
    )

    assert [(row.outcome.value, [each.code for each in row.remarks]) for row in report.rows] == [
        ("created", []),
        ("skipped", ["repeated"]),
        ("refused", ["contradicted"]),
        ("refused", ["in_the_future"]),
        ("refused", ["invalid_value"]),
        ("refused", ["missing"]),
        ("refused", ["invalid_value"]),
    ]
    assert lab.rows("select sub from users") == [("ann-1",)]


@pytest.mark.parametrize(
    ("row", "error"),
    [(("", "x", "", "user", ""), ImportInvalid), (("bob-2", "", "", "", TODAY + timedelta(days=2)), ImportRefused)],
)
def test_all_are_enrolled_or_nobody_is(
    lab: Lab, import_: Import, row: tuple[object, ...], error: type[ImportInvalid | ImportRefused]
) -> None:
    with pytest.raises(error):
        import_(sheet(PEOPLE, ("ann-1", "", "", "user", ""), row))

    assert lab.sql("select count(*) from users") == 0


def test_a_dry_run_enrols_nobody(lab: Lab, import_: Import) -> None:
    report = import_(sheet(PEOPLE, ("ann-1", "", "", "user", "")), dry_run=True)

    assert (report.counts, lab.sql("select count(*) from users")) == (Counts(created=1), 0)


def test_who_was_only_seen_is_enrolled_and_who_left_stays_away(lab: Lab, import_: Import) -> None:
    lab.sql("insert into users (sub) values ('ann-1')")
    lab.sql("insert into users (sub, role, enrolled_at, left_at) values ('bob-2', 'user', now(), now())")

    report = import_(sheet(("Sub", "Role"), ("ann-1", "user"), ("bob-2", "user")), kind=Kind.USERS)

    assert [row.outcome.value for row in report.rows] == ["created", "unchanged"]
    assert lab.rows("select sub from users where left_at is null and enrolled_at is not null") == [("ann-1",)]


def test_who_may_import_and_not_enrol_is_refused(lab: Lab, import_: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    reach = Actor.reach
    monkeypatch.setattr(
        Actor, "reach", lambda self, asked: reach(self, asked) if asked is not Permission.MANAGE_USERS else Reach.NONE
    )

    with pytest.raises(Forbidden):
        import_(sheet(PEOPLE, ("ann-1", "", "", "user", "")))
    import_(sheet(VEHICLES, (VIN, 5000, "AWD", "P1")))

    assert lab.sql("select count(*) from users") == 0
