"""Bookings by example."""

from dyno.errors import (
    AllocationClosed,
    AllocationNotFound,
    NoDynoAvailable,
    VehicleAlreadyAllocated,
    VehicleNotFound,
    VehicleRetired,
)
from tests.openapi.described import Answer, Asked, Described, Link
from tests.openapi.world import OTHER_VIN, VIN

ORDER = {"vin": VIN, "test_type": "brake", "start_date": "2027-06-07", "days_to_complete": 2, "backup": True}
BOOKED = {
    "allocation_id": 2,
    "dyno_id": 2,
    "dyno_name": "Cell 2",
    "vehicle_id": 1,
    "vin": VIN,
    "test_type": "brake",
    "start_date": "2027-06-10",
    "end_date": "2027-06-11",
    "status": "scheduled",
    "shift_days": 3,
    "booked_by": "ada",
    "created_at": "2027-05-28T14:21:42.405737Z",
    "expires_at": None,
    "cancelled_at": None,
    "work": None,
    "version": 1,
}
STANDING = BOOKED | {
    "allocation_id": 1,
    "vehicle_id": 2,
    "vin": OTHER_VIN,
    "start_date": "2027-06-07",
    "end_date": "2027-06-08",
    "shift_days": 0,
    "created_at": "2027-05-28T14:21:42.385411Z",
}
BOOKING = {
    "success": True,
    "message": f"{VIN} is on Cell 2 from 2027-06-10 to 2027-06-11, 3 days later than asked",
    "dry_run": False,
    "backup_used": True,
    "shift_days": 3,
    "allocation": BOOKED,
}
WOULD_BOOK = BOOKING | {
    "message": f"{VIN} would be on Cell 2 from 2027-06-10 to 2027-06-11, 3 days later than asked",
    "dry_run": True,
    "allocation": BOOKED | {"allocation_id": None, "created_at": None, "version": None},
}
KEY = {"Idempotency-Key": "6a1e2c9b"}
BOOKED_ID = {"allocation_id": "$response.body#/allocation/allocation_id"}

UNABLE = NoDynoAvailable(
    f"no dyno can take {VIN} for brake, from 2027-06-07 or up to 0 days later",
    start_date="2027-06-07",
    end_date="2027-06-08",
    rejected=[
        {"dyno_id": 1, "dyno_name": "Cell 1", "reason": "not_capable"},
        {
            "dyno_id": 2,
            "dyno_name": "Cell 2",
            "reason": "booked",
            "allocation_id": 1,
            "free_from": "2027-06-10",
        },
    ],
)
TAKEN = VehicleAlreadyAllocated(
    f"{VIN} is booked whenever it could start, 2027-06-10 or up to 0 days later",
    in_the_way=[
        {
            "allocation_id": 2,
            "dyno_id": 2,
            "start_date": "2027-06-10",
            "end_date": "2027-06-11",
            "status": "scheduled",
        }
    ],
)

ROUTES = (
    Described(
        "POST /allocations/auto",
        "bookings",
        "Name a vehicle by `vin` or by `vehicle_id`. The earliest day wins, then the dyno that can do least, then its "
        "name. With `backup`, a full day moves the window to the first of the next `max_backup_days` that will do.",
        (
            Answer(
                "booked",
                201,
                BOOKING,
                Asked(body=ORDER, headers=KEY),
                headers=("Idempotency-Replayed",),
                links=(
                    Link("GET /allocations/{allocation_id}", BOOKED_ID),
                    Link("DELETE /allocations/{allocation_id}", BOOKED_ID),
                ),
            ),
            Answer("a dry run", 200, WOULD_BOOK, Asked(body=ORDER | {"dry_run": True})),
        ),
        refused=(
            VehicleNotFound("no vehicle has the vin '9ZZ0'"),
            UNABLE,
            TAKEN,
            VehicleRetired(f"{VIN} is retired"),
        ),
    ),
    Described(
        "GET /allocations",
        "bookings",
        "`from` and `to` show whatever touches these days; a `vin` that nobody has shows nothing.",
        (
            Answer(
                "those of a dyno",
                200,
                {"items": [STANDING], "next_cursor": None},
                Asked(query={"dyno_id": "2", "from": "2027-06-01", "status": "scheduled", "limit": "50"}),
            ),
        ),
    ),
    Described(
        "GET /allocations/conflicts",
        "bookings",
        "By the query that a sceptic would write, beside the constraints that forbid them.",
        (Answer("none", 200, {"items": [], "next_cursor": None}),),
    ),
    Described(
        "GET /allocations/refusals",
        "bookings",
        "`reason` is what kept most of the capable dynos from it.",
        (
            Answer(
                "one",
                200,
                {
                    "items": [
                        {
                            "refusal_id": 1,
                            "refused_at": "2027-05-28T14:21:42.396813Z",
                            "asked_by": "ada",
                            "vehicle_id": 1,
                            "vin": VIN,
                            "test_type": "brake",
                            "drive_type": "AWD",
                            "weight_class": "<10K",
                            "start_date": "2027-06-07",
                            "days_to_complete": 2,
                            "reason": "booked",
                            "conflicting": True,
                        }
                    ],
                    "next_cursor": None,
                },
            ),
        ),
    ),
    Described(
        "GET /allocations/{allocation_id}",
        "bookings",
        "Of every status: what was cancelled is kept.",
        (Answer("a booking", 200, STANDING, Asked(path={"allocation_id": 1}), headers=("ETag",)),),
        refused=(AllocationNotFound("no allocation has the id 9"),),
    ),
    Described(
        "DELETE /allocations/{allocation_id}",
        "bookings",
        "Keeps the row. Users cancel their own, power users and admins anybody's; again, it changes nothing.",
        (
            Answer(
                "cancelled",
                200,
                {
                    "success": True,
                    "message": "allocation 1 is cancelled",
                    "dry_run": False,
                    "allocation": STANDING
                    | {"status": "cancelled", "cancelled_at": "2027-05-28T15:02:10.440890Z", "version": 2},
                },
                Asked(path={"allocation_id": 1}),
            ),
        ),
        refused=(
            AllocationNotFound("no allocation has the id 9"),
            AllocationClosed("allocation 1 is in_progress; only what has not begun can be cancelled"),
        ),
    ),
)
"""What is added here is in docs/openapi.json after `make docs`."""
