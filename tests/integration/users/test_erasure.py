"""Whoever is erased is nowhere, and what they did is all there."""

import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine

from dyno.auth import Actor, Role
from dyno.database import engine
from dyno.errors import DynoError, OwnAccount, Stale, UserErased, UserNotFound
from dyno.metrics.model import LogEvent
from dyno.settings import Settings
from dyno.users import service
from dyno.users.model import Enrolment, User, UserChange
from tests.conftest import EngineAs
from tests.integration.metrics.pipeline import Pipeline, line, logged, observation
from tests.integration.users.busy import NOW, OTHER_VIN, SOMEBODY, SUB, act, columns, columns_with, everything
from tests.lab import ADMIN, MONDAY, Lab

WHERE_IT_WAS = {
    "calendars.booked_by",
    "calendars.owner",
    "dead_letters.line",
    "history.actor",
    "history.after",
    "history.before",
    "idempotency_keys.answer",
    "idempotency_keys.owner",
    "import_jobs.owner",
    "metrics.error_message",
    "occupancies.booked_by",
    "refusals.actor",
    "registry_history.actor",
    "roi_assumptions.recorded_by",
    "roi_reports.report",
    "users.sub",
}
"""Every column that an id of the user pool gets into."""

PAGE = Path(__file__).parents[3] / "docs" / "privacy.md"

ABOUT_SOMEBODY = {"actor", "booked_by", "owner", "recorded_by", "sub"}
"""Names that say that a column is for such an id."""


class Busy(NamedTuple):
    """
    A lab in which somebody did whatever there is to be done.

    Attributes:
        log: What that left there, with a business metric of theirs, and a line of theirs that was cut off.
    """

    lab: Lab
    pipeline: Pipeline
    log: list[LogEvent]
    person: User

    def erase(self) -> User:
        return service.erase_user(self.lab.over, self.person.user_id, version=self.person.version, actor=ADMIN)

    def ingest(self, *lines: str) -> None:
        self.pipeline.ingest(logged(lines))


@pytest.fixture
def busy(lab: Lab, engine_as: EngineAs, capsys: pytest.CaptureFixture[str]) -> Busy:
    made: dict[str, Engine] = {}

    def connect(role: str, number: int = 0) -> Engine:
        return made.setdefault(role, engine_as(role))

    person = act(lab, engine_as("dyno_roi"))
    lines = [each for each in capsys.readouterr().out.splitlines() if '"dyno-call/1"' in each]
    lines += [observation("o-1", sub=SUB), line("e-cut", sub=SUB)[:-20]]
    done = Busy(lab, Pipeline(connect), logged(lines), person)
    done.pipeline.ingest(done.log)
    return done


def test_an_id_is_found_wherever_it_was_before_and_nowhere_afterwards(busy: Busy) -> None:
    assert columns_with(busy.lab) == WHERE_IT_WAS

    erased = busy.erase()

    assert columns_with(busy.lab) == set()
    assert (erased.user_id, erased.sub, erased.version) == (busy.person.user_id, "erased:1", busy.person.version + 1)
    assert service.get_user(busy.lab.over, erased.user_id) == erased


def test_every_column_that_is_for_such_an_id_is_known_here(busy: Busy) -> None:
    named = {f"{table}.{column}" for table, column in columns(busy.lab) if column in ABOUT_SOMEBODY}

    assert named <= WHERE_IT_WAS


def test_the_page_about_privacy_names_each_of_them() -> None:
    told = set(re.findall(r"`(\w+\.\w+)`", PAGE.read_text()))

    assert told == WHERE_IT_WAS


@pytest.mark.own_database
@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("update refusals r set actor = pseudonym where r.actor = sub;", "refusals.actor"),
        ("before = renamed(h.before, sub, pseudonym), ", "history.before"),
        ("delete from idempotency_keys k where k.owner = sub;", "idempotency_keys.owner"),
        ("c.owner = sub or ", "calendars.owner"),
        (" or c.booked_by = sub", "calendars.booked_by"),
        ("update import_jobs j set owner = pseudonym where j.owner = sub;", "import_jobs.owner"),
    ],
)
def test_a_column_that_erasure_forgot_would_be_found(busy: Busy, statement: str, column: str) -> None:
    definition: str = busy.lab.sql("select pg_get_functiondef('erase_user'::regproc)")
    assert definition.count(statement) == 1
    with busy.lab.owner.connect() as connection:
        connection.exec_driver_sql(definition.replace(statement, ""))

    busy.erase()

    assert columns_with(busy.lab) == {column}


def test_all_else_of_what_they_did_and_all_of_others_stays_as_it_was(busy: Busy) -> None:
    before = everything(busy.lab)

    busy.erase()

    after = everything(busy.lab)
    own = {row for row in before["idempotency_keys"] if f'"owner": "{SUB}"' in row}
    before["idempotency_keys"] -= Counter(own)
    before["calendars"] -= Counter(row for row in before["calendars"] if SUB in row)
    before["import_jobs"] -= Counter(row for row in before["import_jobs"] if SUB in row and "awaiting" in row)
    people = before.pop("users"), after.pop("users")
    assert own
    assert {row for row in people[0] if SUB not in row} < set(people[1])
    assert after == {it: Counter(row.replace(SUB, "erased:1") for row in rows) for it, rows in before.items()}


def renamed(said: Any, was: str) -> Any:
    """Somebody's rows as they are when all that is told under the name of a person's id is told of a pseudonym."""
    if isinstance(said, list):
        return [renamed(each, was) for each in said]
    if not isinstance(said, dict):
        return said
    return {
        name: "erased" if name in ABOUT_SOMEBODY and each == was else renamed(each, was) for name, each in said.items()
    }


@pytest.mark.parametrize("word", ["user", "version", "a", "1", "booked", "sub", "D1", "brake"])
def test_a_word_that_somebody_was_enrolled_as_stays_what_it_is_everywhere_else(busy: Busy, word: str) -> None:
    somebody = service.enrol(busy.lab.over, Enrolment(sub=word), actor=ADMIN, key="a word", now=NOW)
    booked = busy.lab.auto_allocate(OTHER_VIN, start_date=MONDAY + timedelta(days=40), actor=Actor(word, Role.USER))
    busy.ingest(line("e-word", sub=word), line("e-word-cut", sub=word, error_message=f"{word} {word}")[:-20])
    before = everything(busy.lab)

    service.erase_user(busy.lab.over, somebody.user_id, version=somebody.version, actor=ADMIN)

    after = everything(busy.lab)
    for table in before.keys() - {"users", "dead_letters"}:
        expected = sorted(json.dumps(renamed(json.loads(row), word), sort_keys=True) for row in before[table])
        found = [row.replace(f"erased:{somebody.user_id}", "erased") for row in after[table]]
        assert sorted(json.dumps(json.loads(row), sort_keys=True) for row in found) == expected
    letters = [row.replace(f"erased:{somebody.user_id}", word) for row in after["dead_letters"]]
    assert sorted(letters) == sorted(before["dead_letters"])
    assert busy.lab.sql("select booked_by from occupancies where id = :id", id=booked.allocation_id).startswith(
        "erased:"
    )


def test_who_was_enrolled_and_active_in_the_past_was_it_still(busy: Busy) -> None:
    def past() -> tuple[int, ...]:
        asked = {"since": NOW - timedelta(days=60), "until": NOW - timedelta(days=30)}
        return busy.lab.rows("select enrolled, active_enrolled, active from people(:since, :until)", **asked)[0]

    before = past()
    erased = busy.erase()

    assert past() == before == (1, 1, 1)
    assert busy.lab.rows("select enrolled from people(now(), now())") == [(1,)]  # bob; somebody has left
    assert erased.enrolled_at == busy.person.enrolled_at
    assert erased.left_at is not None
    assert busy.person.left_at is None


def test_who_had_left_left_then_and_who_was_only_seen_was_never_here(busy: Busy) -> None:
    left_at = NOW - timedelta(days=3)
    change = UserChange(left_at=left_at)
    left = service.change_user(busy.lab.over, 1, change, version=1, actor=ADMIN, now=NOW)
    busy.ingest(line("e-seen", sub="seen"))
    [seen] = [each for each in service.list_users(busy.lab.over, None, 50, enrolled=None).items if each.sub == "seen"]

    erased = service.erase_user(busy.lab.over, 1, version=left.version, actor=ADMIN)
    unseen = service.erase_user(busy.lab.over, seen.user_id, version=1, actor=ADMIN)

    assert erased.left_at == left_at
    assert (unseen.sub, unseen.enrolled_at, unseen.left_at) == (f"erased:{seen.user_id}", None, None)


def test_a_second_time_changes_nothing_whatever_version_it_is_of(busy: Busy) -> None:
    erased = busy.erase()
    before = everything(busy.lab)

    again = [service.erase_user(busy.lab.over, 1, version=version, actor=ADMIN) for version in (1, 2, 7)]

    assert again == [erased] * 3
    assert everything(busy.lab) == before


@pytest.mark.parametrize(
    ("user_id", "version", "actor", "refusal"),
    [(9, 1, ADMIN, UserNotFound), (1, 2, ADMIN, Stale), (1, 1, SOMEBODY, OwnAccount)],
)
def test_what_is_refused_changes_nothing(
    busy: Busy, user_id: int, version: int, actor: Actor, refusal: type[DynoError]
) -> None:
    before = everything(busy.lab)

    with pytest.raises(refusal):
        service.erase_user(busy.lab.over, user_id, version=version, actor=actor)

    assert everything(busy.lab) == before


def test_of_whoever_was_erased_nothing_is_changed(busy: Busy) -> None:
    erased = busy.erase()

    with pytest.raises(UserErased):
        service.change_user(busy.lab.over, 1, UserChange(left_at=None), version=erased.version, actor=ADMIN, now=NOW)

    assert service.get_user(busy.lab.over, 1) == erased


def test_lines_that_are_read_again_bring_nobody_back(busy: Busy) -> None:
    busy.erase()

    ingested = busy.pipeline.ingest(busy.log)

    assert ingested.duplicates > 0
    assert columns_with(busy.lab) == set()
    assert busy.lab.rows("select sub from users order by 1") == [("ada",), ("bob",), ("erased:1",)]


def test_a_letter_of_theirs_that_is_taken_in_after_all_counts_for_whoever_they_were(busy: Busy) -> None:
    busy.erase()
    busy.lab.sql("update dead_letters set line = line || :rest", rest=line("e-cut", sub=SUB)[-20:])

    busy.pipeline.retry()

    assert busy.lab.sql("select user_id from metrics where event_id = 'e-cut'") == 1
    assert columns_with(busy.lab) == set()


def test_what_a_token_that_is_still_valid_does_makes_somebody_new_who_is_erased_in_their_turn(busy: Busy) -> None:
    busy.erase()

    again = busy.lab.auto_allocate(OTHER_VIN, start_date=MONDAY + timedelta(days=30), actor=SOMEBODY, key="booked")
    busy.ingest(line("e-new", sub=SUB))
    [new] = [each for each in service.list_users(busy.lab.over, None, 50, enrolled=False).items if each.sub == SUB]
    service.erase_user(busy.lab.over, new.user_id, version=new.version, actor=ADMIN)

    assert again.replayed is False
    assert new.enrolled_at is None
    assert columns_with(busy.lab) == set()
    actors = busy.lab.rows("select distinct booked_by from occupancies where booked_by like 'erased:%' order by 1")
    assert actors == [("erased:1",), (f"erased:{new.user_id}",)]


def test_what_is_booked_while_somebody_is_erased_is_theirs_or_somebody_newly_seens(
    busy: Busy, settings_as: Callable[[str], Settings]
) -> None:
    busy.lab.sql("insert into dynos (name) select 'R' || n from generate_series(1, 4) n")
    busy.lab.sql("insert into capabilities select id, 'any', 'any', 'any' from dynos where name like 'R%'")
    vins = [f"9ZZ0TEST0RC{number:06d}" for number in range(4)]
    for vin in vins:
        busy.lab.vehicle(vin)
    over, days, ready = threading.Event(), itertools.count(60), threading.Barrier(len(vins) + 1)
    answered: list[str] = []

    def wait_for(answers: int) -> None:
        while len(answered) < answers:
            time.sleep(0.005)

    def book(vin: str) -> None:
        own = engine.__wrapped__(settings_as("dyno_allocations"))
        ready.wait()
        while not over.is_set():
            try:
                booked = busy.lab.auto_allocate(
                    vin, start_date=MONDAY + timedelta(days=next(days)), actor=SOMEBODY, key=f"k-{next(days)}", over=own
                )
                answered.append(str(booked.allocation_id))
            except DynoError as refused:
                answered.append(refused.code)
        own.dispose()

    threads = [threading.Thread(target=book, args=(vin,)) for vin in vins]
    for thread in threads:
        thread.start()
    ready.wait()
    wait_for(20)
    erased = busy.erase()
    wait_for(len(answered) + 20)
    over.set()
    for thread in threads:
        thread.join()

    assert [each for each in answered if not each.isdigit()] == [], "nobody had to wait in vain"
    assert erased.sub == "erased:1"
    bookings = dict(busy.lab.rows("select booked_by, count(*) from occupancies where vehicle_id > 2 group by 1"))
    assert bookings.keys() == {"erased:1", SUB}
    assert sum(bookings.values()) == len(answered)
    busy.ingest(line("e-late", sub=SUB))
    new = busy.lab.sql("select id from users where sub = :sub", sub=SUB)
    service.erase_user(busy.lab.over, new, version=1, actor=ADMIN)
    assert columns_with(busy.lab) == set()
