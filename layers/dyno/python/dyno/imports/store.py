"""The lab's tables as an import needs them: what is there already, and the calls that the API's own doors write by."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, LargeBinary, Text, and_, bindparam, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from dyno.imports.report import Terms
from dyno.tables import capabilities, dynos, imported_requests, occupancies, vehicles

Said = Mapping[str, Any]
"""What a function of the database says: its outcome, and of what."""
Known = Mapping[str, Any]
"""A row that is there, by the names of its columns."""
Placement = tuple[str | None, str, str | None, date | None, date | None]
"""The vin and the test of a booking, the name of its dyno, and its first and last day."""

_OURS = "'POST /imports', null, ''"
"""Route, Idempotency-Key and digest: an import that comes again is known by what is in it."""
_CREATE_VEHICLES = text(
    f"select create_vehicle(:actor, {_OURS}, v.value)"  # noqa: S608  # of constants
    " from jsonb_array_elements(:wanted) with ordinality v (value, place) order by v.place"
).bindparams(bindparam("wanted", type_=JSONB))
_CREATE_DYNO = text(f"select create_dyno(:actor, {_OURS}, :wanted)").bindparams(bindparam("wanted", type_=JSONB))
_CHANGE_VEHICLE = text("select change_vehicle(:actor, :id, :version, :wanted, :time_zone)").bindparams(
    bindparam("wanted", type_=JSONB)
)
_CHANGE_DYNO = text("select change_dyno(:actor, :id, :version, :wanted, :time_zone)").bindparams(
    bindparam("wanted", type_=JSONB)
)
_CLOSE = text(
    f"select close_dyno(:actor, {_OURS}, :dyno_id, :start_date, :end_date, :reason, false, 0, false, :time_zone,"
    " :horizon_days)"
)
_PLACE = text("select place_all(:actor, :tests, :time_zone, :horizon_days, :max_days)::text").bindparams(
    bindparam("tests", type_=JSONB)
)


def plan_alone(connection: Connection) -> None:
    """Wait until nobody else moves bookings or changes what they go by, and keep it so until all is over."""
    connection.execute(select(func.plan_alone()))


def known_vehicles(connection: Connection, vins: Collection[str]) -> dict[str, Known]:
    """Vehicles that are there, by vin."""
    among = func.any(literal(sorted(vins), ARRAY(Text)))
    return {row.vin: row._asdict() for row in connection.execute(select(vehicles).where(vehicles.c.vin == among))}


def known_dynos(connection: Connection) -> dict[str, dict[str, Any]]:
    """All dynos, retired ones too, by name; `lines` are what each can run, as sets of three words."""
    lines: dict[int, set[tuple[str, str, str]]] = {}
    for row in connection.execute(select(capabilities)):
        lines.setdefault(row.dyno_id, set()).add((row.test_type, row.drive_type, row.weight_class))
    return {row.name: row._asdict() | {"lines": lines.get(row.id, set())} for row in connection.execute(select(dynos))}


def known_windows(connection: Connection) -> set[tuple[int, date, date]]:
    """Every maintenance window that is not cancelled: dyno, first and last day."""
    query = select(occupancies.c.dyno_id, occupancies.c.start_date, occupancies.c.end_date).where(
        occupancies.c.kind == "maintenance", occupancies.c.status == "scheduled"
    )
    return {tuple(row) for row in connection.execute(query)}


def known_requests(connection: Connection, identities: Collection[bytes]) -> dict[bytes, Known]:
    """What became of requests that were imported before; of one that was refused, allocation_id is None."""
    query = (
        select(
            imported_requests.c.identity,
            imported_requests.c.allocation_id,
            occupancies.c.status,
            occupancies.c.start_date,
            occupancies.c.end_date,
            occupancies.c.shift_days,
            dynos.c.name.label("dyno_name"),
        )
        .outerjoin(occupancies, occupancies.c.id == imported_requests.c.allocation_id)
        .outerjoin(dynos, dynos.c.id == occupancies.c.dyno_id)
        .where(imported_requests.c.identity == func.any(literal(list(identities), ARRAY(LargeBinary))))
    )
    return {bytes(row.identity): row._asdict() for row in connection.execute(query)}


def known_places(connection: Connection, vins: Collection[str]) -> dict[Placement, Known]:
    """Bookings of vehicles that take days, by where they are."""
    of_dyno = occupancies.join(dynos, dynos.c.id == occupancies.c.dyno_id)
    query = (
        select(
            vehicles.c.vin,
            occupancies.c.test_type,
            dynos.c.name.label("dyno_name"),
            occupancies.c.start_date,
            occupancies.c.end_date,
            occupancies.c.shift_days,
            occupancies.c.status,
            occupancies.c.id.label("allocation_id"),
        )
        .select_from(of_dyno.join(vehicles, vehicles.c.id == occupancies.c.vehicle_id))
        .where(vehicles.c.vin == func.any(literal(sorted(vins), ARRAY(Text))), occupancies.c.occupies)
    )
    return {
        (row.vin, row.test_type, row.dyno_name, row.start_date, row.end_date): row._asdict()
        for row in connection.execute(query)
    }


def create_vehicles(connection: Connection, actor: str, wanted: Sequence[Known]) -> list[Said]:
    """Make vehicles, or say why not, of each in their order."""
    return list(connection.execute(_CREATE_VEHICLES, {"actor": actor, "wanted": wanted}).scalars())


def change_vehicle(connection: Connection, actor: str, was: Known, wanted: Known, terms: Terms) -> Said:
    """Change what is named of a vehicle, or say why not."""
    seen = {"id": was["id"], "version": was["version"]}
    return _said(connection, _CHANGE_VEHICLE, actor=actor, wanted=wanted, time_zone=terms.time_zone, **seen)


def create_dyno(connection: Connection, actor: str, wanted: Known) -> Said:
    """Make a dyno, or say why not."""
    return _said(connection, _CREATE_DYNO, actor=actor, wanted=wanted)


def change_dyno(connection: Connection, actor: str, was: Known, wanted: Known, terms: Terms) -> Said:
    """Change what is named of a dyno, or say why not; `capabilities` are all there are to be."""
    seen = {"id": was["id"], "version": was["version"]}
    return _said(connection, _CHANGE_DYNO, actor=actor, wanted=wanted, time_zone=terms.time_zone, **seen)


def close_dyno(connection: Connection, actor: str, dyno_id: int, wanted: Known, terms: Terms) -> Said:
    """
    Close a dyno for some days, or say what is in the way.

    Args:
        wanted: start_date, end_date and reason.
    """
    limits = {"time_zone": terms.time_zone, "horizon_days": terms.horizon_days}
    return _said(connection, _CLOSE, actor=actor, dyno_id=dyno_id, **wanted, **limits)


def place(connection: Connection, actor: str, tests: Sequence[Known], terms: Terms) -> list[Said]:
    """
    Book tests one after the other, or say why not, of each in their order; what became of each is remembered.

    Args:
        tests: identity, vin, test_type, start_date, days and work; for one that goes by the rule also max_shift, and
            known, if it was refused before; for one that the sheet has a place for, dyno_id, status, and asked_by,
            whose it is if they are enrolled.
    """
    asked = [
        test | {"identity": test["identity"].hex(), "start_date": str(test["start_date"])} for test in map(dict, tests)
    ]
    limits = {"time_zone": terms.time_zone, "horizon_days": terms.horizon_days, "max_days": terms.max_days}
    told = connection.execute(_PLACE, {"actor": actor, "tests": asked, **limits}).scalars()
    return [json.loads(each) for each in told]


def overlaps(connection: Connection, allocation_ids: Collection[int]) -> int:
    """
    Pairs of these bookings that take one dyno on the same day; none, as long as the constraints hold.

    Source:
        A plain self-join, which does not trust them.
    """
    one, other = occupancies.alias("one"), occupancies.alias("other")
    among = func.any(literal(sorted(allocation_ids), ARRAY(occupancies.c.id.type)))
    later = tuple_(other.c.start_date, other.c.id) > tuple_(one.c.start_date, one.c.id)
    query = (
        select(func.count())
        .select_from(one)
        .join(
            other,
            and_(
                other.c.dyno_id == one.c.dyno_id,
                other.c.start_date.between(one.c.start_date, one.c.end_date),
                later,
                other.c.occupies,
            ),
        )
        .where(one.c.id == among, other.c.id == among, one.c.occupies)
    )
    return connection.execute(query).scalar_one()


def _said(connection: Connection, call: Any, **given: Any) -> Said:  # noqa: ANN401  # whatever the function takes
    found: Said = connection.execute(call, given).scalar_one()
    return found
