"""A lab in which somebody did whatever there is to be done, and where their id is afterwards."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from dyno.allocation import planning, registry, service
from dyno.allocation.planning_model import AllocationChange, MaintenanceRequest
from dyno.allocation.registry_model import DynoChange, NewDyno, NewVehicle, VehicleChange
from dyno.auth import Actor, Role
from dyno.errors import UserAlreadyEnrolled, VehicleAlreadyAllocated
from dyno.observability import Request, serving
from dyno.roi import service as savings
from dyno.users import service as people
from dyno.users.model import Enrolment, User
from tests.integration.roi.reports import UTC_LAB, assume, minutes
from tests.lab import ADMIN, FRIDAY, MONDAY, TERMS, THURSDAY, TUESDAY, WEDNESDAY, Lab

SUB = "7a1c5e90-2b64-4d38-9f07-c3d81e6a4b52"
SOMEBODY = Actor(SUB, Role.ADMIN)
VIN, OTHER_VIN = "9ZZ0TEST0VD000001", "9ZZ0TEST0VD000002"
NOW = datetime.now(UTC).replace(microsecond=0)
ENROLMENT = Enrolment(sub=SUB, role="admin", enrolled_at=NOW - timedelta(days=70))

COLUMNS = """
    select c.relname::text, quote_ident(a.attname)
      from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and a.attnum > 0 and not a.attisdropped order by 1, 2"""


def columns(lab: Lab) -> set[tuple[str, str]]:
    """Each column of each table, by the catalog."""
    return {(table, column) for table, column in lab.rows(COLUMNS)}


def columns_with(lab: Lab, sub: str = SUB) -> set[str]:
    """Those that an id is in, whatever their type, read as text."""
    return {
        f"{table}.{column}"
        for table, column in columns(lab)
        if lab.sql(f"select exists (select from {table} where strpos({column}::text, :sub) > 0)", sub=sub)
    }


def everything(lab: Lab) -> dict[str, Counter[str]]:
    """Each table's rows, as text."""
    tables = {table for table, _ in columns(lab)}
    return {it: Counter(row for (row,) in lab.rows(f"select to_jsonb(x)::text from {it} x")) for it in sorted(tables)}


def act(lab: Lab, roi: Engine) -> User:
    """Whatever can be done at all of the service's doors, by somebody, and by an admin to them; the person."""
    with serving(Request("admins", sub=ADMIN.sub)):
        enrolled = people.enrol(lab.over, ENROLMENT, actor=ADMIN, key="somebody", now=NOW)
        with suppress(UserAlreadyEnrolled):
            people.enrol(lab.over, ENROLMENT, actor=ADMIN, key=None, now=NOW)
    with serving(Request("somebodys", sub=SUB)):
        dyno_id = _register(lab)
        _book(lab, dyno_id)
        people.enrol(lab.over, Enrolment(sub="bob"), actor=SOMEBODY, key="bob", now=NOW)
        assume(roi, NOW.date().replace(day=1), actor=SUB, **minutes(6))
        savings.run(roi, UTC_LAB, now=NOW)
    with serving(Request("admins", sub=ADMIN.sub)):
        _close(lab, dyno_id, THURSDAY, ADMIN)
    return enrolled


def _register(lab: Lab) -> int:
    """Two dynos and two vehicles, made and changed by somebody; the first dyno."""
    line = {"test_type": "any", "drive_type": "any", "weight_class": "any"}
    for name in ("D1", "D2"):
        wanted = NewDyno.model_validate({"name": name, "capabilities": [line]})
        registry.create_dyno(lab.over, wanted, actor=SOMEBODY, key=name)
    for vin in (VIN, OTHER_VIN):
        vehicle = NewVehicle.model_validate({"vin": vin, "weight_lbs": 5000, "drive_type": "AWD"})
        registry.create_vehicle(lab.over, vehicle, actor=SOMEBODY, key=vin)
    registry.change_dyno(lab.over, 1, DynoChange(facility="North"), version=1, actor=SOMEBODY, time_zone="UTC")
    registry.change_vehicle(lab.over, 1, VehicleChange(program="P"), version=1, actor=SOMEBODY, time_zone="UTC")
    return 1


def _book(lab: Lab, dyno_id: int) -> None:
    """Bookings of each fate, a hold, a refusal, a window; the last booking, on Thursday, makes way for an admin's."""
    booked = lab.auto_allocate(actor=SOMEBODY, key="booked")
    assert booked.allocation_id
    change = AllocationChange(start_date=TUESDAY)
    planning.change_allocation(lab.over, booked.allocation_id, change, version=1, actor=SOMEBODY, terms=TERMS)
    service.cancel_allocation(lab.over, booked.allocation_id, actor=SOMEBODY)
    lab.auto_allocate(start_date=WEDNESDAY, actor=SOMEBODY, hold_minutes=5)
    window = _close(lab, dyno_id, FRIDAY, SOMEBODY)
    with suppress(VehicleAlreadyAllocated):
        lab.auto_allocate(start_date=WEDNESDAY, actor=SOMEBODY)
    planning.reopen_dyno(lab.over, dyno_id, window, actor=SOMEBODY)
    lab.auto_allocate(start_date=THURSDAY, actor=SOMEBODY)
    for owner, booked_by in ((SUB, None), ("bob", SUB), ("bob", "bob")):
        _subscribe(lab, owner, booked_by)
    for owner in (SUB, SUB, "bob"):
        _announce(lab, owner)
    _bobs(lab)


def _subscribe(lab: Lab, owner: str, booked_by: str | None) -> None:
    """As the door of exports does, which logs in as somebody else."""
    lab.sql(
        "select make_calendar(:owner, sha256(convert_to(:mark, 'UTF8')), :scope, null, null, :booked_by, 50)",
        owner=owner,
        mark=f"{owner} {booked_by}",
        scope="person" if booked_by else "everything",
        booked_by=booked_by,
    )


def _announce(lab: Lab, owner: str) -> None:
    """As the door of imports does; the first one's file came."""
    lab.sql("select announce_import(:owner, 'admin', '{}', null, '1 hour')", owner=owner)
    lab.sql("select begin_import(1, 'a run', '1 hour')")
    lab.sql("select end_import(1, 'a run', 'succeeded', '{}', 1, 1)")


def _bobs(lab: Lab) -> None:
    """A booking that is somebody else's; and one of somebody's from long ago, which was kept."""
    bob = Actor("bob", Role.USER)
    lab.auto_allocate(OTHER_VIN, start_date=MONDAY, actor=bob, key="bobs")
    lab.occupy(
        2, 2, MONDAY - timedelta(days=50), booked_by=SUB, created_at=NOW - timedelta(days=50), status="completed"
    )


def _close(lab: Lab, dyno_id: int, day: date, actor: Actor) -> Any:
    asked = {"start_date": str(day), "end_date": str(day), "reason": "belt"}
    closed = planning.close_dyno(
        lab.over,
        dyno_id,
        MaintenanceRequest.model_validate(asked),
        displace=True,
        actor=actor,
        key=str(day),
        terms=TERMS,
    )
    return closed.window.window_id
