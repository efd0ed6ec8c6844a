"""What befalls a booking waits in the outbox, once, and nothing else does."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from dyno.allocation import planning, service
from dyno.allocation.model import AllocationFilter
from dyno.allocation.planning_model import AllocationChange, MaintenanceRequest
from dyno.database import BELL, autocommit, engine, transaction
from dyno.errors import DynoError, MaintenanceOverlap
from dyno.notices import service as outbox
from dyno.notices.model import Asked, Kind, Notice
from dyno.observability import Request, serving
from dyno.settings import Settings
from dyno.users import store as people
from tests.conftest import EngineAs
from tests.lab import ADMIN, ANN, BOB, FRIDAY, MONDAY, POWER, TERMS, TUESDAY, WEDNESDAY, Lab

FIRST, SECOND = "9ZZ0TEST0VD000001", "9ZZ0TEST0VD000002"

HandOut = Callable[..., list[Notice]]


@pytest.fixture
def hand_out(engine_as: EngineAs) -> HandOut:
    """Asks the outbox as its own function does."""
    over = engine_as("dyno_notices")
    return lambda **asked: list(outbox.hand_out(over, Asked.model_validate(asked)).notices)


@pytest.fixture
def rung(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """How often the bell rang since it was asked last."""
    caplog.set_level("INFO")

    def since() -> int:
        rang = len([each for each in caplog.records if getattr(each, "record", None) == BELL])
        caplog.clear()
        return rang

    return since


def booked(lab: Lab, vin: str = FIRST, **fields: Any) -> int:
    lab.vehicle(vin)
    made = lab.auto_allocate(vin, **fields).allocation_id
    assert made
    return made


def move(lab: Lab, allocation_id: int, version: int = 1, **fields: Any) -> None:
    change = AllocationChange.model_validate(fields)
    planning.change_allocation(lab.over, allocation_id, change, version=version, actor=POWER, terms=TERMS)


def close(lab: Lab, dyno_id: int, **fields: Any) -> None:
    request = MaintenanceRequest.model_validate(
        {"start_date": MONDAY, "end_date": MONDAY, "reason": "belt", "max_backup_days": 7} | fields
    )
    planning.close_dyno(lab.over, dyno_id, request, displace=True, actor=ADMIN, key=None, terms=TERMS)


def waiting(lab: Lab) -> list[str]:
    return [kind for (kind,) in lab.rows("select kind from notices where sent_at is null order by history_id")]


def test_a_booking_that_was_moved_is_told_with_where_it_was_and_is(lab: Lab, hand_out: HandOut) -> None:
    here, there = lab.dyno("D1"), lab.dyno("D2")
    allocation_id = booked(lab)

    with serving(Request("trip-7")):
        move(lab, allocation_id, dyno_id=there, start_date=TUESDAY)

    (notice,) = hand_out()
    assert notice.before
    assert notice.after
    assert (notice.kind, notice.allocation_id, notice.version, notice.vin) == (Kind.MOVED, allocation_id, 2, FIRST)
    assert (notice.owner, notice.actor, notice.correlation_id) == ("ann", "pat", "trip-7")
    assert (notice.before.dyno_id, notice.before.dyno_name, notice.before.start_date) == (here, "D1", MONDAY)
    assert (notice.after.dyno_id, notice.after.end_date) == (there, TUESDAY)
    assert notice.detail() | {"occurred_at": None} == {
        "notice": "dyno-notice/1",
        "notice_id": notice.notice_id,
        "allocation_id": allocation_id,
        "version": 2,
        "vin": FIRST,
        "test_type": "brake",
        "status": "scheduled",
        "owner": "ann",
        "actor": "pat",
        "by_owner": False,
        "before": {"dyno_id": here, "dyno_name": "D1", "start_date": str(MONDAY), "end_date": str(MONDAY)},
        "after": {"dyno_id": there, "dyno_name": "D2", "start_date": str(TUESDAY), "end_date": str(TUESDAY)},
        "occurred_at": None,
        "correlation_id": "trip-7",
    }


def test_bookings_that_make_way_are_told_each_by_itself(lab: Lab, hand_out: HandOut) -> None:
    dyno_id = lab.dyno("A")
    lab.dyno("B")
    allocation_id = booked(lab)

    close(lab, dyno_id)

    (notice,) = hand_out()
    assert notice.before
    assert notice.after
    assert (notice.kind, notice.allocation_id, notice.actor) == (Kind.DISPLACED, allocation_id, "ada")
    assert (notice.before.dyno_name, notice.after.dyno_name) == ("A", "B")


@pytest.mark.parametrize(("actor", "by_owner"), [(ANN, True), (ADMIN, False)])
def test_a_booking_that_was_cancelled_is_told_once_and_says_whether_by_its_owner(
    lab: Lab, hand_out: HandOut, actor: Any, by_owner: bool
) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab)

    for _ in range(2):
        service.cancel_allocation(lab.over, allocation_id, actor=actor)

    (notice,) = hand_out()
    assert (notice.kind, notice.status, notice.after) == (Kind.CANCELLED, "cancelled", None)
    assert notice.before
    assert notice.before.start_date == MONDAY
    assert notice.detail()["by_owner"] is by_owner


@pytest.mark.parametrize("by_night", [True, False])
def test_a_hold_that_lapsed_is_told_whoever_noticed(
    lab: Lab, hand_out: HandOut, engine_as: EngineAs, by_night: bool
) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab, hold_minutes=10)
    lab.sql("update occupancies set expires_at = clock_timestamp() - interval '1 second'")

    if by_night:
        lab.sql("select sweep(interval '1 day')")
    else:
        lab.vehicle(SECOND)
        lab.auto_allocate(SECOND, actor=BOB)

    (notice,) = hand_out()
    assert (notice.kind, notice.allocation_id, notice.actor) == (Kind.LAPSED, allocation_id, "system")
    assert (notice.owner, notice.after, notice.correlation_id) == ("ann", None, None)


def test_a_hold_that_is_confirmed_on_other_days_was_moved(lab: Lab, hand_out: HandOut) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab, hold_minutes=10)

    move(lab, allocation_id, status="scheduled", start_date=TUESDAY)

    assert [notice.kind for notice in hand_out()] == [Kind.MOVED]


def test_nothing_is_told_of_what_is_new_or_stays_or_was_only_tried(
    lab: Lab, hand_out: HandOut, rung: Callable[[], int]
) -> None:
    dyno_id, there = lab.dyno("D1"), lab.dyno("D2", "emission AWD <10K")
    held, allocation_id = booked(lab, hold_minutes=10), booked(lab, SECOND, start_date=WEDNESDAY)

    move(lab, held, status="scheduled")
    move(lab, allocation_id, start_date=TUESDAY, dry_run=True)
    service.cancel_allocation(lab.over, allocation_id, actor=ANN, dry_run=True)
    with pytest.raises(MaintenanceOverlap):
        close(lab, dyno_id, end_date=WEDNESDAY, max_backup_days=0)
    with pytest.raises(DynoError):
        move(lab, allocation_id, dyno_id=there)

    assert hand_out() == []
    assert lab.sql("select count(*) from history where action = 'confirm'") == 1


def test_the_bell_rings_behind_whatever_is_to_be_told_and_behind_nothing_that_was_only_tried(
    lab: Lab, rung: Callable[[], int]
) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab)
    assert rung() == 0

    move(lab, allocation_id, start_date=TUESDAY, dry_run=True)
    assert rung() == 0

    move(lab, allocation_id, start_date=TUESDAY)
    assert rung() == 1

    service.cancel_allocation(lab.over, allocation_id, actor=ANN)
    service.list_allocations(lab.over, AllocationFilter(), None, 50)
    assert rung() == 1


def cancel_and_break(lab: Lab, allocation_id: int) -> None:
    with transaction(lab.over) as connection:
        connection.execute(text("select cancel(:id, 'ann', false)"), {"id": allocation_id})
        raise ZeroDivisionError


def test_what_is_undone_is_not_told(lab: Lab, hand_out: HandOut, engine_as: EngineAs) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab)

    with pytest.raises(ZeroDivisionError):
        cancel_and_break(lab, allocation_id)

    assert hand_out() == []
    assert lab.sql("select status from occupancies") == "scheduled"


def test_what_is_handed_out_is_handed_to_nobody_else_until_it_is_given_back_or_too_long_gone(
    lab: Lab, hand_out: HandOut
) -> None:
    lab.dyno("D1")
    for vin in (FIRST, SECOND):
        service.cancel_allocation(lab.over, booked(lab, vin), actor=ANN)

    one, two = [notice.notice_id for notice in hand_out()]
    assert hand_out() == []

    assert [notice.notice_id for notice in hand_out(sent=[one], unsent=[two])] == [two]

    lab.sql("update notices set claimed_until = clock_timestamp() where sent_at is null")
    assert [notice.notice_id for notice in hand_out()] == [two]
    assert hand_out(sent=[two, one]) == []
    assert waiting(lab) == []


def test_no_notice_is_handed_to_two_at_once(
    lab: Lab, settings_as: Callable[[str], Settings], hand_out: HandOut
) -> None:
    lab.dyno("D1")
    booked(lab)
    for _ in range(40):
        lab.auto_allocate(start_date=TUESDAY, backup=True, max_backup_days=60)
    lab.sql("select cancel(id, 'ann', false) from occupancies")
    engines = [engine.__wrapped__(settings_as("dyno_notices")) for _ in range(4)]
    got: list[int] = []

    def take(over: Any) -> None:
        while some := outbox.hand_out(over, Asked(most=3)).notices:
            got.extend(notice.notice_id for notice in some)

    takers = [threading.Thread(target=take, args=(over,)) for over in engines]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    for over in engines:
        over.dispose()

    assert len(got) == len(set(got)) == lab.sql("select count(*) from notices") == 41


def test_a_notice_of_somebody_who_was_erased_since_bears_their_pseudonym(lab: Lab, hand_out: HandOut) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab)
    user_id = lab.sql("insert into users (sub, role, enrolled_at) values ('ann', 'user', now()) returning id")
    service.cancel_allocation(lab.over, allocation_id, actor=ANN)

    with autocommit(lab.over) as connection:
        people.erase(connection, user_id, 1, "ada")

    (notice,) = hand_out()
    assert notice.owner == notice.actor == f"erased:{user_id}"


@pytest.mark.own_database
@pytest.mark.parametrize(
    "fault",
    [
        "drop trigger noticed on history",
        "create or replace function note_change() returns trigger language plpgsql as $$ begin return null; end $$",
    ],
)
def test_a_notice_that_is_not_written_would_be_found(lab: Lab, fault: str) -> None:
    lab.dyno("D1")
    allocation_id = booked(lab)
    lab.sql(fault)

    service.cancel_allocation(lab.over, allocation_id, actor=ANN)

    assert waiting(lab) == []
    assert untold(lab) == {"cancel"}


def test_everything_that_befell_a_booking_has_its_notice(lab: Lab) -> None:
    here, there = lab.dyno("A"), lab.dyno("B")
    allocation_id = booked(lab)
    held = booked(lab, SECOND, hold_minutes=10, start_date=FRIDAY)
    move(lab, allocation_id, start_date=TUESDAY)
    close(lab, here, start_date=TUESDAY, end_date=TUESDAY)
    service.cancel_allocation(lab.over, allocation_id, actor=ANN)
    lab.sql("update occupancies set expires_at = clock_timestamp() - interval '1 second' where id = :id", id=held)
    lab.sql("select sweep(interval '1 day')")

    assert there
    assert waiting(lab) == ["moved", "displaced", "cancelled", "lapsed"]
    assert untold(lab) == set()


def untold(lab: Lab) -> set[str]:
    """What befell bookings, as the sceptic reads it off their history, and has no notice."""
    return {
        action
        for (action,) in lab.rows(
            "select h.action from history h join occupancies o on o.id = h.occupancy_id and o.kind = 'allocation'"
            " where not exists (select from notices n where n.history_id = h.id)"
            "   and (h.before ->> 'dyno_id', h.before ->> 'start_date', h.before ->> 'end_date',"
            "        h.before ->> 'status' in ('cancelled', 'lapsed'))"
            "       is distinct from"
            "       (h.after ->> 'dyno_id', h.after ->> 'start_date', h.after ->> 'end_date',"
            "        h.after ->> 'status' in ('cancelled', 'lapsed'))"
            "   and h.before is not null and h.after ->> 'status' <> 'completed'"
        )
    }
