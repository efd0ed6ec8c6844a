"""Dynos and vehicles by example; the answers are files beside."""

from dyno.errors import BookingsStranded, DynoExists, DynoNotFound, VehicleExists, VehicleNotFound
from tests.openapi.described import Answer, Asked, Described, Link, sample
from tests.openapi.world import OTHER_VIN, VIN

SEEN = {"If-Match": '"2"'}
STRANDED = {
    "allocation_id": 1,
    "vehicle_id": 2,
    "vin": OTHER_VIN,
    "dyno_id": 2,
    "dyno_name": "Cell 2",
    "start_date": "2027-06-07",
    "end_date": "2027-06-08",
    "status": "scheduled",
}
NO_DYNO = DynoNotFound("no dyno has the id 9")
NO_VEHICLE = VehicleNotFound("no vehicle has the id 9")
MADE_DYNO = {"dyno_id": "$response.body#/dyno_id"}
MADE_VEHICLE = {"vehicle_id": "$response.body#/vehicle_id"}

A_DYNO = {
    "name": "Cell 3",
    "turnaround_days": 1,
    "capabilities": [{"test_type": "brake", "drive_type": "AWD", "weight_class": "<10K"}],
}
A_VEHICLE = {"vin": "1M8GDM9AXKP042788", "weight_lbs": 5200, "drive_type": "2WD"}


def of(name: str) -> dict[str, str]:
    """The type of that name, of a route whose answers are not all of one."""
    return {"$ref": f"#/components/schemas/{name}"}


ROUTES = (
    Described(
        "GET /dynos",
        "registry",
        "A capability is a whole line of the lab's rule sheet; each of its words may be `any`.",
        (Answer("two", 200, sample("dynos"), Asked(query={"limit": "50"})),),
    ),
    Described(
        "POST /dynos",
        "registry",
        "Breadth follows from the capabilities: how many concrete combinations it can run.",
        (
            Answer(
                "made",
                201,
                sample("dyno_made"),
                Asked(headers={"Idempotency-Key": "5f0d"}, body=A_DYNO),
                schema=of("CreatedDyno"),
                headers=("ETag", "Idempotency-Replayed"),
                links=(Link("GET /dynos/{dyno_id}", MADE_DYNO), Link("PATCH /dynos/{dyno_id}", MADE_DYNO)),
            ),
            Answer(
                "a dry run",
                200,
                sample("dyno_dry"),
                Asked(body=A_DYNO | {"dry_run": True}),
                schema=of("TriedDyno"),
            ),
        ),
        refused=(DynoExists("a dyno is called Cell 2 already, dyno 2", dyno_id=2),),
    ),
    Described(
        "GET /dynos/{dyno_id}",
        "registry",
        "A retired one, too.",
        (Answer("a dyno", 200, sample("dyno"), Asked(path={"dyno_id": 2}), headers=("ETag",)),),
        refused=(NO_DYNO,),
    ),
    Described(
        "PATCH /dynos/{dyno_id}",
        "registry",
        "`capabilities` are all there are to be. A change that would leave bookings behind is refused and names them.",
        (
            Answer(
                "moved to the north",
                200,
                sample("dyno_changed"),
                Asked(path={"dyno_id": 2}, body={"facility": "North"}, headers=SEEN),
                headers=("ETag",),
            ),
        ),
        refused=(
            NO_DYNO,
            DynoExists("a dyno is called Cell 1 already, dyno 1", dyno_id=1),
            BookingsStranded(
                "1 booking would be left behind; nothing is changed", stranded=[STRANDED | {"reason": "disabled"}]
            ),
        ),
    ),
    Described(
        "GET /vehicles",
        "registry",
        "The weight class follows from the weight: up to 10,000 lb it is `<10K`.",
        (Answer("the one with a vin", 200, sample("vehicles"), Asked(query={"vin": VIN})),),
    ),
    Described(
        "POST /vehicles",
        "registry",
        "`vin_check` says whether the check digit is right; a vin may be good though it is not.",
        (
            Answer(
                "made",
                201,
                sample("vehicle_made"),
                Asked(headers={"Idempotency-Key": "77c1"}, body=A_VEHICLE),
                schema=of("CreatedVehicle"),
                headers=("ETag", "Idempotency-Replayed"),
                links=(
                    Link("GET /vehicles/{vehicle_id}", MADE_VEHICLE),
                    Link("PATCH /vehicles/{vehicle_id}", MADE_VEHICLE),
                ),
            ),
            Answer(
                "a dry run",
                200,
                sample("vehicle_dry"),
                Asked(body=A_VEHICLE | {"dry_run": True}),
                schema=of("TriedVehicle"),
            ),
        ),
        refused=(VehicleExists(f"{VIN} is vehicle 1 already", vehicle_id=1),),
    ),
    Described(
        "GET /vehicles/{vehicle_id}",
        "registry",
        "A retired one, too.",
        (Answer("a vehicle", 200, sample("vehicle"), Asked(path={"vehicle_id": 1}), headers=("ETag",)),),
        refused=(NO_VEHICLE,),
    ),
    Described(
        "PATCH /vehicles/{vehicle_id}",
        "registry",
        "A change that would leave bookings behind is refused and names them.",
        (
            Answer(
                "weighed again",
                200,
                sample("vehicle_changed"),
                Asked(path={"vehicle_id": 1}, body={"weight_lbs": 5300}, headers={"If-Match": '"1"'}),
                headers=("ETag",),
            ),
        ),
        refused=(
            NO_VEHICLE,
            BookingsStranded(
                "1 booking would be left behind; nothing is changed",
                stranded=[STRANDED | {"reason": "vehicle_retired"}],
            ),
        ),
    ),
)
