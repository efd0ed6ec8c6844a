"""The registry's dynos: made known, corrected, retired; and never so that a booking is left behind."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from dyno.allocation import registry
from dyno.allocation.registry_model import Dyno
from dyno.database import violated_constraint
from dyno.errors import (
    BookingsStranded,
    DynoExists,
    DynoNotFound,
    DynoRetired,
    IdempotencyKeyReused,
    InvalidRequest,
    NoDynoAvailable,
    Stale,
)
from tests.integration.allocation.registered import change_dyno, create_dyno, lines
from tests.lab import MONDAY, TODAY, TUESDAY, WEDNESDAY, Lab


def listed(lab: Lab, *, retired: bool = False) -> list[str]:
    return [dyno.name for dyno in registry.list_dynos(lab.over, None, 50, retired=retired).items]


def breadths(lab: Lab) -> dict[str, tuple[int, int]]:
    return {dyno.name: (dyno.breadth, dyno.version) for dyno in registry.list_dynos(lab.over, None, 50).items}


def history(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.rows("select kind, thing_id, actor, action, before, after from registry_history order by id")


def test_a_dyno_is_made_with_its_capabilities_in_order_and_its_breadth(lab: Lab) -> None:
    made = create_dyno(
        lab,
        "Cell 3",
        "evap any any",
        "brake 4WD <10K",
        facility="North",
        available_from=str(MONDAY),
        available_to=str(TUESDAY),
        turnaround_days=30,
    )

    assert made.model_dump() == {
        "dyno_id": 1,
        "name": "Cell 3",
        "facility": "North",
        "enabled": True,
        "available_from": MONDAY,
        "available_to": TUESDAY,
        "turnaround_days": 30,
        "breadth": 5,
        "capabilities": lines("brake AWD <10K", "evap any any"),
        "retired_at": None,
        "version": 1,
    }
    assert registry.get_dyno(lab.over, 1) == Dyno(**made.model_dump())


def test_a_dyno_that_is_made_is_booked(lab: Lab) -> None:
    lab.vehicle()
    create_dyno(lab, "D1", "evap any any")
    made = create_dyno(lab, "D2", "brake AWD any")

    assert lab.auto_allocate().allocation.dyno_id == made.dyno_id


def test_a_dyno_may_be_made_disabled_and_without_capabilities(lab: Lab) -> None:
    made = create_dyno(lab, enabled=False, capabilities=[])

    assert (made.enabled, made.capabilities, made.breadth) == (False, [], 0)


def test_a_test_that_nobody_ran_widens_those_that_run_any(lab: Lab) -> None:
    create_dyno(lab, "Any", "any any any")
    create_dyno(lab, "Brake", "brake AWD <10K")
    before = breadths(lab)

    made = create_dyno(lab, "Evap", "evap AWD any")

    assert before == {"Any": (4, 2), "Brake": (1, 1)}
    assert breadths(lab) == {"Any": (8, 3), "Brake": (1, 1), "Evap": (2, 1)}
    change_dyno(lab, made, capabilities=lines("brake AWD any"))
    assert breadths(lab) == {"Any": (4, 4), "Brake": (1, 1), "Evap": (2, 2)}


def test_where_nobody_runs_a_test_any_longer_any_is_none(lab: Lab) -> None:
    create_dyno(lab, "Any", "any any any")
    brake = create_dyno(lab, "Brake", "brake any any")

    change_dyno(lab, brake, capabilities=[])

    assert breadths(lab) == {"Any": (0, 3), "Brake": (0, 2)}


def test_a_name_is_one_dynos(lab: Lab) -> None:
    made = create_dyno(lab, "Cell 3")

    with pytest.raises(DynoExists, match=r"'Cell 3' is the name of dyno 1$") as refused:
        create_dyno(lab, " Cell 3 ")

    assert refused.value.details == {"dyno_id": made.dyno_id}
    other = create_dyno(lab, "Cell 4")
    with pytest.raises(DynoExists, match=r"dyno 1$"):
        change_dyno(lab, other, name="Cell 3")
    change_dyno(lab, made, retired=True)
    with pytest.raises(DynoExists, match=r"dyno 1, and retired$"):
        create_dyno(lab, "Cell 3")
    assert change_dyno(lab, other, name="Cell 4", facility="South").name == "Cell 4"


def test_a_dyno_is_answered_again_under_its_key(lab: Lab) -> None:
    first = create_dyno(lab, key="k-1")
    change_dyno(lab, first, facility="South")

    again = create_dyno(lab, key="k-1")

    assert again == first.model_copy(update={"replayed": True})
    with pytest.raises(IdempotencyKeyReused):
        create_dyno(lab, "D2", key="k-1")
    with pytest.raises(DynoExists):
        create_dyno(lab, key="k-2")
    assert create_dyno(lab, "D2", key="k-2").replayed is False
    assert listed(lab) == ["D1", "D2"]


def test_what_is_not_named_stays_and_null_empties(lab: Lab) -> None:
    made = create_dyno(lab, facility="North", available_from=str(MONDAY), available_to=str(TUESDAY))

    changed = change_dyno(lab, made, name="D9", facility=None, available_to=None, turnaround_days=2)

    assert changed.model_dump() == made.model_dump() | {
        "name": "D9",
        "facility": None,
        "available_to": None,
        "turnaround_days": 2,
        "version": 2,
    }
    assert registry.get_dyno(lab.over, made.dyno_id) == changed


def test_capabilities_take_the_place_of_all_there_were(lab: Lab) -> None:
    made = create_dyno(lab, "D1", "brake any any", "evap any any")

    narrow = change_dyno(lab, made, capabilities=lines("brake any any", "brake AWD <10K"))
    none = change_dyno(lab, narrow, capabilities=[])

    assert (len(narrow.capabilities), narrow.breadth, narrow.version) == (2, 4, 2)
    assert (none.capabilities, none.breadth, none.version) == ([], 0, 3)


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"name": "D1", "enabled": True, "turnaround_days": 0, "retired": False, "facility": None},
        {"capabilities": lines("evap any any", "brake AWD <10K")},
    ],
    ids=str,
)
def test_a_change_of_nothing_makes_no_version(lab: Lab, nothing: dict[str, Any]) -> None:
    made = create_dyno(lab, "D1", "brake AWD <10K", "evap any any")

    assert change_dyno(lab, made, **nothing) == Dyno(**made.model_dump())
    assert [row[3] for row in history(lab)] == ["create"]


def test_a_change_of_what_somebody_else_changed_is_refused(lab: Lab) -> None:
    made = create_dyno(lab)
    changed = change_dyno(lab, made, facility="North")

    with pytest.raises(Stale, match="dyno 1 is at version 2, not 1"):
        change_dyno(lab, made, facility="South")

    assert registry.get_dyno(lab.over, made.dyno_id) == changed


def test_a_dyno_that_is_not_there_is_neither_shown_nor_changed(lab: Lab) -> None:
    made = create_dyno(lab)

    with pytest.raises(DynoNotFound, match="999"):
        change_dyno(lab, made.model_copy(update={"dyno_id": 999}), facility="North")
    with pytest.raises(DynoNotFound, match="999"):
        registry.get_dyno(lab.over, 999)


def test_a_dyno_is_not_available_to_a_day_before_the_first_even_if_one_of_them_was_there(lab: Lab) -> None:
    made = create_dyno(lab, available_from=str(TUESDAY))

    with pytest.raises(InvalidRequest, match=rf"body\.available_to: {MONDAY} lies before available_from {TUESDAY}"):
        change_dyno(lab, made, available_to=str(MONDAY))

    assert change_dyno(lab, made, available_to=str(MONDAY), available_from=None).available_to == MONDAY


def test_a_dyno_retires_and_comes_back_disabled(lab: Lab) -> None:
    made = create_dyno(lab)

    retired = change_dyno(lab, made, retired=True)
    again = change_dyno(lab, retired, retired=True)

    assert isinstance(retired.retired_at, datetime)
    assert (retired.enabled, again, listed(lab), listed(lab, retired=True)) == (False, retired, [], ["D1"])
    with pytest.raises(DynoRetired, match=re.escape('{"retired": false, "enabled": true}')):
        change_dyno(lab, retired, enabled=True)
    back = change_dyno(lab, retired, retired=False)
    assert (back.retired_at, back.enabled, listed(lab)) == (None, False, ["D1"])
    assert change_dyno(lab, change_dyno(lab, back, retired=True), retired=False, enabled=True).enabled


def test_no_retired_dyno_is_enabled_whoever_writes_it(lab: Lab) -> None:
    made = create_dyno(lab)

    with pytest.raises(DBAPIError) as broken:
        lab.sql("update dynos set retired_at = now() where id = :id", id=made.dyno_id)

    assert violated_constraint(broken.value) == "the_retired_are_disabled"


def test_who_changed_what_is_noted(lab: Lab) -> None:
    made = create_dyno(lab)
    narrow = change_dyno(lab, made, capabilities=lines("brake AWD any"))
    retired = change_dyno(lab, narrow, retired=True)
    change_dyno(lab, retired, retired=False, enabled=True)

    noted = history(lab)

    assert [row[:4] for row in noted] == [
        ("dyno", made.dyno_id, "ada", action) for action in ("create", "change", "retire", "restore")
    ]
    assert [before and before["version"] for *_, before, _ in noted] == [None, 1, 2, 3]
    assert noted[1][4] == made.model_dump(mode="json")
    assert noted[1][5] == narrow.model_dump(mode="json")


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "disabled": ({"enabled": False}, "disabled"),
    "retired": ({"retired": True}, "disabled"),
    "of another test": ({"capabilities": lines("evap any any")}, "not_capable"),
    "of another drive": ({"capabilities": lines("brake 2WD any")}, "not_capable"),
    "of another weight": ({"capabilities": lines("any any >10K")}, "not_capable"),
    "of nothing": ({"capabilities": []}, "not_capable"),
    "there too late": ({"available_from": str(TUESDAY)}, "outside_availability"),
    "gone too early": ({"available_to": str(MONDAY)}, "outside_availability"),
}


@pytest.mark.parametrize(("change", "reason"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_that_would_strand_a_booking_is_refused_with_it_and_changes_nothing(
    lab: Lab, change: dict[str, Any], reason: str
) -> None:
    vehicle_id = lab.vehicle()
    made = create_dyno(lab, "D1", "brake AWD <10K", "evap any any")
    bystander = create_dyno(lab, "Any")
    allocation = lab.auto_allocate(start_date=MONDAY, days_to_complete=2).allocation
    before = breadths(lab)

    with pytest.raises(BookingsStranded, match="strand a booking of dyno 1") as refused:
        change_dyno(lab, made, facility="South", **change)

    assert refused.value.details["stranded"] == [
        {
            "allocation_id": allocation.allocation_id,
            "vehicle_id": vehicle_id,
            "vin": "9ZZ0TEST0VD000001",
            "dyno_id": made.dyno_id,
            "dyno_name": "D1",
            "start_date": str(MONDAY),
            "end_date": str(TUESDAY),
            "status": "scheduled",
            "reason": reason,
        }
    ]
    assert registry.get_dyno(lab.over, made.dyno_id) == Dyno(**made.model_dump())
    assert breadths(lab) == before
    assert [(row[1], row[3]) for row in history(lab)] == [(made.dyno_id, "create"), (bystander.dyno_id, "create")]


def test_every_booking_that_would_be_stranded_is_listed_in_order_of_days(lab: Lab) -> None:
    vehicle_id = lab.vehicle()
    made = create_dyno(lab)
    later, earlier = (lab.auto_allocate(start_date=day).allocation_id for day in (WEDNESDAY, MONDAY))
    held = lab.occupy(made.dyno_id, vehicle_id, TUESDAY, status="held", expires_at="2999-01-01")

    with pytest.raises(BookingsStranded, match="strand 3 bookings of dyno 1") as refused:
        change_dyno(lab, made, enabled=False)

    assert [each["allocation_id"] for each in refused.value.details["stranded"]] == [earlier, held, later]


def test_what_does_not_touch_a_booking_may_be_changed(lab: Lab) -> None:
    lab.vehicle()
    made = create_dyno(lab, "D1", "brake AWD <10K", "evap any any")
    allocation_id = lab.auto_allocate(start_date=MONDAY, days_to_complete=2).allocation_id

    changed = change_dyno(
        lab,
        made,
        name="D9",
        turnaround_days=30,
        capabilities=lines("brake any any"),
        available_from=str(MONDAY),
        available_to=str(TUESDAY),
    )

    assert changed.turnaround_days == 30
    assert lab.sql("select turnaround_days from occupancies where id = :id", id=allocation_id) == 0


def test_what_is_over_or_in_maintenance_is_not_stranded(lab: Lab) -> None:
    made, vehicle_id = create_dyno(lab), lab.vehicle()
    lab.occupy(made.dyno_id, vehicle_id, TODAY - timedelta(days=1), status="in_progress")
    lab.occupy(made.dyno_id, vehicle_id, TODAY, status="completed")
    lab.maintenance(made.dyno_id, MONDAY)

    assert change_dyno(lab, made, retired=True).retired_at


def test_a_booking_that_was_stranded_before_does_not_stand_in_the_way_of_another_change(lab: Lab) -> None:
    made, vehicle_id = create_dyno(lab, "D1", "brake 2WD any", "evap any any"), lab.vehicle()
    lab.occupy(made.dyno_id, vehicle_id, MONDAY)
    fitting = lab.occupy(made.dyno_id, vehicle_id, TUESDAY, test_type="evap")

    renamed = change_dyno(lab, made, name="D9")

    with pytest.raises(BookingsStranded) as refused:
        change_dyno(lab, renamed, enabled=False)
    assert [each["allocation_id"] for each in refused.value.details["stranded"]] == [fitting]


def test_a_changed_dyno_is_booked_by_its_new_rules(lab: Lab) -> None:
    lab.vehicle()
    made = create_dyno(lab, "D1", "evap any any")
    with pytest.raises(NoDynoAvailable):
        lab.auto_allocate()

    change_dyno(lab, made, capabilities=lines("brake any any"))

    assert lab.auto_allocate().allocation.dyno_id == made.dyno_id


def test_the_list_has_pages_of_what_is_in_use(lab: Lab) -> None:
    for number in range(4):
        create_dyno(lab, f"D{number}", "brake AWD <10K", "evap any any")
    change_dyno(lab, registry.get_dyno(lab.over, 2), retired=True)

    first = registry.list_dynos(lab.over, None, 2)
    second = registry.list_dynos(lab.over, first.next_cursor, 2)

    assert [(dyno.dyno_id, dyno.breadth, len(dyno.capabilities)) for dyno in first.items + second.items] == [
        (1, 5, 2),
        (3, 5, 2),
        (4, 5, 2),
    ]
    assert second.next_cursor is None


def test_a_trial_of_a_change_says_what_would_come_of_it_and_changes_nothing(lab: Lab) -> None:
    dyno, vehicle_id = create_dyno(lab), lab.vehicle()
    lab.occupy(dyno.dyno_id, vehicle_id, MONDAY)
    noted = history(lab)

    would = change_dyno(lab, dyno, name="D2", dry_run=True)
    with pytest.raises(BookingsStranded):
        change_dyno(lab, dyno, enabled=False, dry_run=True)

    assert (would.name, would.version, listed(lab), history(lab)) == ("D2", dyno.version, ["D1"], noted)
    assert registry.get_dyno(lab.over, dyno.dyno_id).version == dyno.version
