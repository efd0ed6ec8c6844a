"""Changes of bookings, maintenance and what is free, by example; the answers are files beside."""

from dyno.errors import (
    AllocationClosed,
    AllocationNotFound,
    AllocationUnderWay,
    DynoNotFound,
    DynoRetired,
    MaintenanceOverlap,
    StepNotAllowed,
    VehicleNotFound,
    VehicleRetired,
    WindowNotFound,
)
from tests.openapi.described import Answer, Asked, Described, Link, sample
from tests.openapi.lab import ORDER, TAKEN, UNABLE
from tests.openapi.world import VIN

NO_DYNO = DynoNotFound("no dyno has the id 9")
NO_ALLOCATION = AllocationNotFound("no allocation has the id 9")
CLOSING = {"start_date": "2027-06-14", "end_date": "2027-06-15", "reason": "calibration"}
DYNO = {"dyno_id": 2}
ON_A_DYNO = {name: ORDER[name] for name in ("vin", "test_type", "days_to_complete")} | {
    "dyno_id": 2,
    "start_date": "2027-06-21",
}
MADE = {"allocation_id": "$response.body#/allocation/allocation_id"}

ROUTES = (
    Described(
        "POST /allocations",
        "bookings",
        "As `/allocations/auto`, with the dyno given.",
        (
            Answer(
                "booked",
                201,
                sample("allocated"),
                Asked(body=ON_A_DYNO, headers={"Idempotency-Key": "91ab"}),
                headers=("Idempotency-Replayed",),
                links=(
                    Link("GET /allocations/{allocation_id}", MADE),
                    Link("PATCH /allocations/{allocation_id}", MADE),
                    Link("GET /allocations/{allocation_id}/history", MADE),
                ),
            ),
            Answer("a dry run", 200, sample("allocated_dry"), Asked(body=ON_A_DYNO | {"dry_run": True})),
        ),
        refused=(
            NO_DYNO,
            VehicleNotFound("no vehicle has the vin '9ZZ0'"),
            UNABLE,
            TAKEN,
            VehicleRetired(f"{VIN} is retired"),
            DynoRetired("Cell 2 is retired"),
        ),
    ),
    Described(
        "PATCH /allocations/{allocation_id}",
        "bookings",
        "Moves it, changes its length, confirms a hold, takes its status a step on or finishes it early.",
        (
            Answer(
                "moved",
                200,
                sample("moved"),
                Asked(path={"allocation_id": 1}, body={"start_date": "2027-06-21"}, headers={"If-Match": '"1"'}),
                headers=("ETag",),
            ),
        ),
        refused=(
            NO_ALLOCATION,
            NO_DYNO,
            AllocationClosed("allocation 1 is cancelled"),
            StepNotAllowed("allocation 1 is scheduled; it cannot be completed before it has begun"),
            AllocationUnderWay("allocation 1 has begun; its first day and its dyno stay"),
            UNABLE,
            TAKEN,
            VehicleRetired(f"{VIN} is retired"),
            DynoRetired("Cell 2 is retired"),
        ),
    ),
    Described(
        "GET /allocations/{allocation_id}/history",
        "bookings",
        "Each change with who made it, and what it was before and after.",
        (Answer("a booking", 200, sample("history"), Asked(path={"allocation_id": 1})),),
        refused=(NO_ALLOCATION,),
    ),
    Described(
        "GET /dynos/availability",
        "bookings",
        "By the same rule as a booking. Name a vehicle by `vin` or `vehicle_id`, or its `drive_type` and `weight_lbs`.",
        (
            Answer(
                "for a vehicle",
                200,
                sample("availability"),
                Asked(
                    query={
                        "vin": VIN,
                        "test_type": "brake",
                        "start_date": "2027-06-07",
                        "days_to_complete": "2",
                        "next": "2",
                    }
                ),
            ),
        ),
        refused=(VehicleNotFound("no vehicle has the vin '9ZZ0'"), VehicleRetired(f"{VIN} is retired")),
    ),
    Described(
        "GET /dynos/{dyno_id}/schedule",
        "bookings",
        "A month from today unless said otherwise.",
        (
            Answer(
                "two weeks",
                200,
                sample("schedule"),
                Asked(path=DYNO, query={"from": "2027-06-07", "to": "2027-06-20"}),
            ),
        ),
        refused=(NO_DYNO,),
    ),
    Described(
        "GET /dynos/maintenance",
        "bookings",
        "In force on a day, of all dynos.",
        (Answer("a day", 200, sample("maintenance_on"), Asked(query={"on": "2027-06-28"})),),
    ),
    Described(
        "GET /dynos/{dyno_id}/maintenance",
        "bookings",
        "In order of id.",
        (Answer("one", 200, sample("maintenance"), Asked(path=DYNO)),),
        refused=(NO_DYNO,),
    ),
    Described(
        "POST /dynos/{dyno_id}/maintenance",
        "bookings",
        "With `displace=true`, all bookings in the way are placed anew by the rule of booking, or nothing is changed.",
        (
            Answer(
                "closed",
                201,
                sample("closed"),
                Asked(path=DYNO, body=CLOSING, headers={"Idempotency-Key": "c105"}),
                headers=("Idempotency-Replayed",),
            ),
            Answer("a dry run", 200, sample("closed_dry"), Asked(path=DYNO, body=CLOSING | {"dry_run": True})),
        ),
        refused=(
            NO_DYNO,
            DynoRetired("Cell 2 is retired"),
            MaintenanceOverlap(
                "1 booking is in the way",
                in_the_way=[
                    {
                        "allocation_id": 1,
                        "start_date": "2027-06-07",
                        "end_date": "2027-06-08",
                        "status": "scheduled",
                    }
                ],
            ),
        ),
    ),
    Described(
        "DELETE /dynos/{dyno_id}/maintenance/{window_id}",
        "bookings",
        "Keeps the row; again, it changes nothing.",
        (Answer("cancelled", 200, sample("reopened"), Asked(path=DYNO | {"window_id": 2})),),
        refused=(NO_DYNO, WindowNotFound("dyno 2 has no window 9")),
    ),
)
