"""The lab's tables as an import needs them: what is there already, and the calls that the API's own doors write by."""

import json
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, LargeBinary, Text, and_, bindparam, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from dyno.imports.report import Terms
from dyno.tables import capabilities, dynos, imported_requests, occupancies, vehicles

Said = Mapping[str, Any]
"""What a function of the database says: its outcome, and of what."""
Known = Mapping[str, Any]
"""A row that is there, by the names of its columns."""
Place = tuple[str | None, str, str | None, date | None, date | None]
"""The vin and the test of a booking, the name of its dyno, and its first and last day."""

_OURS = "'POST /imports', null, ''"
"""Route, Idempotency-Key and digest: an import that comes again is known by what is in it."""
_CREATE_VEHICLE = text(f"select create_vehicle(:actor, {_OURS}, :wanted)").bindparams(bindparam("wanted", type_=JSONB))
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
_BOOK = text(
    f"select book(:actor, {_OURS}, :dyno_id, null, :vin, :test_type, :start_date, :days, :max_shift, null, :work,"
    " false, :time_zone, :horizon_days, :max_days)::text"
).bindparams(bindparam("work", type_=JSONB(none_as_null=True)))
_CARRY_OVER = text(
    "select carry_over(:actor, :asked_by, :dyno_id, :vin, :test_type, :start_date, :days, :status, :work, :time_zone,"
    " :horizon_days, :max_days)"
).bindparams(bindparam("work", type_=JSONB(none_as_null=True)))
MOST_LAPSES = 64
"""How often a booking goes on looking behind holds that ran out."""


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


def known_places(connection: Connection, vins: Collection[str]) -> dict[Place, Known]:
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


def create_vehicle(connection: Connection, actor: str, wanted: Known) -> Said:
    """Make a vehicle, or say why not."""
    return _said(connection, _CREATE_VEHICLE, actor=actor, wanted=wanted)


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


def book(connection: Connection, actor: str, wanted: Known, terms: Terms) -> Said:
    """
    Book a vehicle by the rule that all bookings go by, or say why not.

    Args:
        wanted: vin, test_type, start_date, days, max_shift, work, and dyno_id, None for whichever is to be chosen.
    """
    limits = {"time_zone": terms.time_zone, "horizon_days": terms.horizon_days, "max_days": terms.max_days}
    for _ in range(MOST_LAPSES):
        found: Said = json.loads(connection.execute(_BOOK, {"actor": actor, **wanted, **limits}).scalar_one())
        if found["outcome"] != "lapsed":
            return found
    return {"outcome": "contended"}


def carry_over(connection: Connection, actor: str, wanted: Known, terms: Terms) -> Said:
    """
    Book a vehicle where a sheet has it, begun or not, or say why not.

    Args:
        wanted: vin, test_type, start_date, days, work, dyno_id, status, and asked_by, whose it is if they are enrolled.
    """
    limits = {"time_zone": terms.time_zone, "horizon_days": terms.horizon_days, "max_days": terms.max_days}
    for _ in range(MOST_LAPSES):
        found = _said(connection, _CARRY_OVER, actor=actor, **wanted, **limits)
        if found["outcome"] != "lapsed":
            return found
    return {"outcome": "contended"}


def remember(connection: Connection, identity: bytes, allocation_id: int | None) -> None:
    """Note what became of a request, for when it comes again."""
    connection.execute(
        text("select remember_request(:identity, :allocation_id)"),
        {"identity": identity, "allocation_id": allocation_id},
    )


def overlaps(connection: Connection, allocation_ids: Collection[int]) -> int:
    """
    Pairs of these bookings that take one dyno on the same day; none, as long as the constraints hold.

    Source:
        A plain self-join, which does not trust them.
    """
    one, other = occupancies.alias("one"), occupancies.alias("other")
    among = func.any(literal(sorted(allocation_ids), ARRAY(occupancies.c.id.type)))
    query = (
        select(func.count())
        .select_from(one)
        .join(
            other,
            and_(
                other.c.dyno_id == one.c.dyno_id,
                other.c.id > one.c.id,
                other.c.start_date <= one.c.end_date,
                other.c.end_date >= one.c.start_date,
                other.c.kind == "allocation",
                other.c.status.not_in(["cancelled", "lapsed"]),
            ),
        )
        .where(one.c.id == among, other.c.id == among, one.c.status.not_in(["cancelled", "lapsed"]))
    )
    return connection.execute(query).scalar_one()


def _said(connection: Connection, call: Any, **given: Any) -> Said:  # noqa: ANN401  # whatever the function takes
    found: Said = connection.execute(call, given).scalar_one()
    return found
