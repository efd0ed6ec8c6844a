"""Dynos are walked in their order of choice, which is kept beside the capabilities, and only so far one by one."""

from itertools import product

import pytest
from sqlalchemy import text

from dyno.database import transaction
from dyno.errors import VehicleAlreadyAllocated
from tests.lab import MONDAY, TUESDAY, Lab

WALKED = 8
"""Dynos that are looked at one by one before a look at all; see 0011_crowd.sql."""
DRIVE_TYPES, WEIGHT_CLASSES = ("2WD", "AWD"), ("<10K", ">10K")


def spelt_out(lab: Lab) -> set[tuple[object, ...]]:
    """What the order of choice should be, from the capabilities."""
    lines = lab.rows(
        "select c.test_type, c.drive_type, c.weight_class, d.breadth, d.name, d.id from capabilities c join dynos d"
        " on d.id = c.dyno_id where d.enabled"
    )
    return {
        (test_type, drive_type, weight_class, *dyno)
        for test_type, drive_types, weight_classes, *dyno in lines
        for drive_type, weight_class in product(DRIVE_TYPES, WEIGHT_CLASSES)
        if drive_types in (drive_type, "any") and weight_classes in (weight_class, "any")
    }


def kept(lab: Lab) -> set[tuple[object, ...]]:
    """What it is."""
    columns = "test_type, drive_type, weight_class, breadth, name, dyno_id"
    return set(lab.rows(f"select {columns} from order_of_choice"))


@pytest.mark.parametrize(
    "change",
    [
        "select 1",
        "update dynos set name = 'Z' where name = 'D1'",
        "update dynos set breadth = breadth + 1",
        "update dynos set enabled = false where name = 'D2'",
        "update capabilities set dyno_id = 1 where test_type = 'any'",
        "update capabilities set weight_class = 'any' where test_type = 'brake' and weight_class = '>10K'",
        "delete from capabilities where test_type = 'any'",
        "insert into capabilities select id, 'evap', 'any', '>10K' from dynos",
        "delete from capabilities; delete from dynos where name = 'D2'",
    ],
)
def test_the_order_follows_the_dynos_and_their_capabilities(lab: Lab, change: str) -> None:
    lab.dyno("D1", "brake AWD <10K", "brake 2WD <10K", "brake any >10K")
    lab.dyno("D2")
    lab.dyno("D3", "evap AWD any", "evap any <10K", "any 2WD >10K")

    lab.sql(change)

    assert kept(lab) == spelt_out(lab)


def behind_a_queue(lab: Lab) -> str:
    """A lab whose first dynos in order are all booked on Monday, three more, one that can do more; a vehicle for it."""
    for number in range(WALKED + 3):
        lab.dyno(f"D{number:02d}", "brake AWD <10K")
    lab.dyno("A")
    *others, vin = lab.vehicles(WALKED + 1)
    for other in others:
        lab.auto_allocate(other, MONDAY)
    return vin


def test_the_first_in_order_is_chosen_also_behind_many_that_are_taken(lab: Lab) -> None:
    vin = behind_a_queue(lab)

    assert lab.auto_allocate(vin, MONDAY).allocation.dyno_name == f"D{WALKED:02d}"


def test_behind_many_that_are_taken_one_that_somebody_is_booking_is_passed_over(lab: Lab) -> None:
    vin = behind_a_queue(lab)

    with transaction(lab.owner) as somebody:
        somebody.execute(text("select from dynos where name = :name for no key update"), {"name": f"D{WALKED:02d}"})
        assert lab.auto_allocate(vin, MONDAY).allocation.dyno_name == f"D{WALKED + 1:02d}"


def test_one_for_any_test_is_not_passed_over_for_one_that_can_do_more(lab: Lab) -> None:
    lab.dyno("Busy", "brake AWD <10K")
    lab.dyno("Wide", "brake any any", "evap any any")
    lab.dyno("Any", "any AWD <10K")
    lab.vehicle()

    with transaction(lab.owner) as somebody:
        somebody.execute(text("select from dynos where name = 'Busy' for no key update"))
        assert lab.auto_allocate(start_date=MONDAY).allocation.dyno_name == "Any"


def test_what_can_do_more_is_chosen_when_all_that_can_do_less_are_taken(lab: Lab) -> None:
    vin = behind_a_queue(lab)
    lab.sql("update dynos set enabled = false where name >= :name", name=f"D{WALKED:02d}")

    assert lab.auto_allocate(vin, MONDAY).allocation.dyno_name == "A"


MEANWHILE = """
create or replace function unfit(d dynos, p_capable boolean, p_start date, p_end date) returns text
language plpgsql as $$ begin
  -- Of these the last are asked only when the first were all taken.
  if d.name >= 'D10' then
    insert into occupancies (kind, dyno_id, vehicle_id, test_type, start_date, end_date, booked_by)
    select 'allocation', x.id, v.id, 'brake', p_start, p_end, 'somebody' from dynos x, vehicles v
     where x.name = 'Parking' and v.vin = '9ZZ0TEST0VD000008' on conflict do nothing;
  end if;
  return case when not d.enabled then 'disabled' when not p_capable then 'not_capable' end;
end $$
"""
"""Somebody books the vehicle elsewhere, in the midst of a choice: when the first dynos have been looked at."""


@pytest.mark.own_database
def test_a_vehicle_that_is_booked_while_its_dynos_are_looked_at_is_said_to_be_booked(lab: Lab) -> None:
    lab.dyno("Parking", "mileage any any")
    vin = behind_a_queue(lab)
    lab.sql(MEANWHILE)

    with pytest.raises(VehicleAlreadyAllocated) as refused:
        lab.auto_allocate(vin, MONDAY)

    assert [each["start_date"] for each in refused.value.details["in_the_way"]] == [str(MONDAY)]


@pytest.mark.own_database
def test_a_vehicle_that_is_booked_meanwhile_is_booked_on_the_next_day_if_it_may(lab: Lab) -> None:
    lab.dyno("Parking", "mileage any any")
    vin = behind_a_queue(lab)
    lab.sql(MEANWHILE)

    booked = lab.auto_allocate(vin, MONDAY, backup=True, max_backup_days=1).allocation

    assert (booked.start_date, booked.dyno_name) == (TUESDAY, "D00")
