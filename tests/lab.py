"""A lab to arrange tests with: dynos and vehicles by plain SQL, bookings by the service."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from dyno.allocation import service
from dyno.allocation.model import AutoAllocation, AutoAllocationRequest, Terms
from dyno.auth import Actor, Role

TODAY = datetime.now(UTC).date()
MONDAY = TODAY + timedelta(days=14 - TODAY.weekday())
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (MONDAY + timedelta(days=days) for days in range(1, 5))
TERMS = Terms("UTC", 1825, 180)

ANN = Actor("ann", Role.USER)
BOB = Actor("bob", Role.USER)
POWER = Actor("pat", Role.POWER_USER)
ADMIN = Actor("ada", Role.ADMIN)


class Lab:
    """
    A test's lab.

    Attributes:
        owner: An engine that may do anything.
        over: The engine of the allocations door.
    """

    def __init__(self, owner: Engine, over: Engine) -> None:
        self.owner = owner
        self.over = over

    def sql(self, statement: str, **values: Any) -> Any:
        """The first value a statement gives; None if it gives none."""
        with self.owner.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows a statement gives."""
        with self.owner.begin() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def dyno(self, name: str, *capabilities: str, turnaround_days: int = 0, **columns: Any) -> int:
        """A dyno; a capability is written 'brake AWD <10K', and none means any test at all."""
        values = {"name": name, "turnaround_days": turnaround_days} | columns
        names, marks = ", ".join(values), ", ".join(f":{column}" for column in values)
        dyno_id: int = self.sql(f"insert into dynos ({names}) values ({marks}) returning id", **values)
        for line in capabilities or ("any any any",):
            test_type, drive_type, weight_class = line.split()
            self.sql(
                "insert into capabilities values (:dyno_id, :test_type, :drive_type, :weight_class)",
                dyno_id=dyno_id,
                test_type=test_type,
                drive_type=drive_type,
                weight_class=weight_class,
            )
        self.sql("select refresh_breadth()")
        return dyno_id

    def vehicle(self, vin: str = "9ZZ0TEST0VD000001", weight_lbs: int = 5000, drive_type: str = "AWD") -> int:
        """A vehicle, 5,000 lb and all-wheel drive unless said otherwise."""
        vehicle_id: int = self.sql(
            "insert into vehicles (vin, weight_lbs, drive_type) values (:vin, :weight_lbs, :drive_type) returning id",
            vin=vin,
            weight_lbs=weight_lbs,
            drive_type=drive_type,
        )
        return vehicle_id

    def vehicles(self, count: int) -> list[str]:
        """That many vehicles' vins."""
        vins = [f"9ZZ0TEST0VD{number:06d}" for number in range(count)]
        for vin in vins:
            self.vehicle(vin)
        return vins

    def maintenance(self, dyno_id: int, start_date: date, days: int = 1) -> int:
        """A maintenance window."""
        window_id: int = self.sql(
            "insert into occupancies (kind, dyno_id, reason, start_date, end_date) "
            "values ('maintenance', :dyno_id, 'calibration', :start_date, :end_date) returning id",
            dyno_id=dyno_id,
            start_date=start_date,
            end_date=start_date + timedelta(days=days - 1),
        )
        return window_id

    def occupy(self, dyno_id: int, vehicle_id: int, day: date, **columns: Any) -> int:
        """An allocation of one day put there behind the service's back."""
        row = {"kind": "allocation", "dyno_id": dyno_id, "vehicle_id": vehicle_id, "test_type": "brake"}
        row |= {"start_date": day, "end_date": day, "booked_by": "ann"} | columns
        occupancy_id: int = self.sql(
            f"insert into occupancies ({', '.join(row)}) values ({', '.join(f':{name}' for name in row)}) returning id",
            **row,
        )
        return occupancy_id

    def auto_allocate(
        self,
        vin: str | None = "9ZZ0TEST0VD000001",
        start_date: date = MONDAY,
        days_to_complete: int = 1,
        *,
        actor: Actor = ANN,
        key: str | None = None,
        over: Engine | None = None,
        terms: Terms = TERMS,
        **fields: Any,
    ) -> AutoAllocation:
        """Book as the door does; `brake` without backup unless said otherwise."""
        asked = {"vin": vin, "start_date": start_date, "days_to_complete": days_to_complete}
        request = AutoAllocationRequest.model_validate({"test_type": "brake", "backup": False} | asked | fields)
        return service.auto_allocate(over or self.over, request, actor=actor, key=key, terms=terms)
