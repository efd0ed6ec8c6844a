"""Vehicles, dynos and what dynos can run: made if they are not there, changed if the sheet says something else."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from dyno.errors import DynoError
from dyno.imports import store
from dyno.imports.model import Capability, Dyno, Kind, Row, Rule, Vehicle
from dyno.imports.report import ImportedRow, Outcome, Remark
from dyno.imports.store import Known, Said
from dyno.imports.work import Work, became, in_batches, readable, refused, stranded, twice

Lines = set[tuple[str, str, str]]
Dynos = dict[str, dict[str, Any]]

AT_ONCE = 500
"""Vehicles that one statement makes."""


def vehicles(work: Work, rows: Iterable[Row]) -> Iterator[ImportedRow]:
    """Make and change vehicles, each once: a second row of one says the same, or is refused."""
    wanted = readable(rows, Kind.VEHICLES)
    known = store.known_vehicles(work.connection, {row.value.vin for row in wanted if isinstance(row.value, Vehicle)})
    seen: dict[str, Row] = {}
    new: list[tuple[Row, Vehicle]] = []
    for row in wanted:
        if not isinstance(vehicle := row.value, Vehicle):
            continue
        if again := twice(row, vehicle.vin, seen):
            yield again
        elif was := known.get(vehicle.vin):
            yield _known_vehicle(work, row, vehicle, was)
        else:
            new.append((row, vehicle))
    for some in in_batches(new, AT_ONCE):
        said = store.create_vehicles(work.connection, work.actor, [asdict(vehicle) for _, vehicle in some])
        for (row, vehicle), told in zip(some, said, strict=True):
            yield _new_vehicle(work, row, vehicle, told)


def missing_vehicles(work: Work, wanted: Collection[Vehicle]) -> dict[str, Known]:
    """Make vehicles that only a sheet of requests knows; by vin."""
    made: dict[str, Known] = {}
    for some in in_batches(wanted, AT_ONCE):
        said = store.create_vehicles(work.connection, work.actor, [asdict(vehicle) for vehicle in some])
        made |= {told["vehicle"]["vin"]: told["vehicle"] for told in said}
    return made


def dynos(work: Work, rows: Iterable[Row], known: Dynos) -> Iterator[ImportedRow]:
    """
    Make and change dynos.

    Args:
        known: Those there are; the new ones are added.
    """
    seen: dict[str, Row] = {}
    for row in readable(rows, Kind.DYNOS):
        if isinstance(dyno := row.value, Dyno):
            yield twice(row, dyno.name, seen) or _dyno(work, row, dyno, known)


def rules(work: Work, rows: Iterable[Row], known: Dynos) -> Iterator[ImportedRow]:
    """Add to what dynos can run, each dyno once; nothing that one can run is taken from it."""
    wanted = readable(rows, Kind.RULES)
    added: dict[str, Lines] = {}
    for row in wanted:
        if isinstance(rule := row.value, Rule) and not _strangers(rule, known):
            for name in _dynos(rule, known):
                if _line(rule) not in known[name]["lines"]:
                    added.setdefault(name, set()).add(_line(rule))
    refusals = {name: why for name, lines in added.items() if (why := _add(work, known[name], lines))}
    for row in wanted:
        if isinstance(rule := row.value, Rule):
            yield _rule(row, rule, known, added, refusals)


def _new_vehicle(work: Work, row: Row, vehicle: Vehicle, said: Said) -> ImportedRow:
    if said["outcome"] == "created":
        return became(row, Outcome.CREATED, vehicle.vin)
    # Registered since it was looked for: whoever registers a vehicle waits for nobody.
    was = store.known_vehicles(work.connection, [vehicle.vin])[vehicle.vin]
    return _known_vehicle(work, row, vehicle, was)


def _known_vehicle(work: Work, row: Row, vehicle: Vehicle, was: Known) -> ImportedRow:
    changes = _changes(asdict(vehicle), was)
    if not changes:
        return became(row, Outcome.UNCHANGED, vehicle.vin)
    said = store.change_vehicle(work.connection, work.actor, was, changes, work.terms)
    if said["outcome"] == "stranded":
        return refused(row, vehicle.vin, "bookings_stranded", stranded(said))
    return became(row, Outcome.CHANGED, vehicle.vin, _told(changes, was))


def _dyno(work: Work, row: Row, dyno: Dyno, known: Dynos) -> ImportedRow:
    lines = {_line(each) for each in dyno.capabilities or ()}
    fields = {name: value for name, value in asdict(dyno).items() if name != "capabilities"}
    was = known.get(dyno.name)
    if was is None:
        new = {"enabled": True, "turnaround_days": 0} | {k: v for k, v in fields.items() if v is not None}
        wanted = _json(new) | {"capabilities": _capabilities(lines)}
        made = store.create_dyno(work.connection, work.actor, wanted)["dyno"]
        known[dyno.name] = made | {"id": made["dyno_id"], "lines": lines}
        return became(row, Outcome.CREATED, dyno.name)
    changes = _changes(fields, was)
    more = {"capabilities": _capabilities(was["lines"] | lines)} if lines - was["lines"] else {}
    if not changes and not more:
        return became(row, Outcome.UNCHANGED, dyno.name)
    told = [*_told(changes, was), *_told_of_lines(lines - was["lines"])]
    if why := _change(work, was, _json(changes) | more):
        return refused(row, dyno.name, *why)
    was["lines"] |= lines
    return became(row, Outcome.CHANGED, dyno.name, told)


def _rule(
    row: Row, rule: Rule, known: Dynos, added: Mapping[str, Lines], refusals: Mapping[str, tuple[str, str]]
) -> ImportedRow:
    name = ", ".join(_line(rule))
    if strangers := _strangers(rule, known):
        return refused(row, name, "dyno_not_found", f"no dyno is called {' or '.join(map(repr, strangers))}")
    able = _dynos(rule, known)
    if failed := [refusals[dyno] for dyno in able if dyno in refusals]:
        return refused(row, name, *failed[0])
    gained = [dyno for dyno in able if _line(rule) in added.get(dyno, ())]
    if not gained:
        return became(row, Outcome.UNCHANGED, name)
    return became(row, Outcome.CREATED, name, [Remark(code="added", detail=f"to {', '.join(gained)}")])


def _add(work: Work, was: dict[str, Any], lines: Lines) -> tuple[str, str] | None:
    why = _change(work, was, {"capabilities": _capabilities(was["lines"] | lines)})
    if why is None:
        was["lines"] |= lines
    return why


def _change(work: Work, was: dict[str, Any], changes: Known) -> tuple[str, str] | None:
    """Change a dyno and keep in mind what it is then; or the code and the words of why not."""
    said = store.change_dyno(work.connection, work.actor, was, changes, work.terms)
    match said["outcome"]:
        case "changed" | "unchanged":
            was |= said["dyno"]
            return None
        case "stranded":
            return "bookings_stranded", stranded(said)
        case "retired":
            return "dyno_retired", "the dyno is retired; it cannot be enabled unless it comes back"
        case "not_in_order":
            return "invalid_request", "available_to lies before available_from"
        case "stale":
            # A test that nobody ran before widens what others can run, which counts as a change of theirs.
            was |= said["dyno"]
            return _change(work, was, changes)
    raise DynoError(f"the database said {said['outcome']}")


def _strangers(rule: Rule, known: Mapping[str, object]) -> list[str]:
    return [name for name in _dynos(rule, known) if name not in known]


def _dynos(rule: Rule, known: Mapping[str, object]) -> tuple[str, ...]:
    """Which dynos a rule names; one that has commas in its name is not several."""
    return (rule.named,) if rule.named in known else rule.dynos


def _line(of: Capability | Rule) -> tuple[str, str, str]:
    return of.test_type, of.drive_type, of.weight_class


def _capabilities(lines: Lines) -> list[dict[str, str]]:
    return [dict(zip(("test_type", "drive_type", "weight_class"), line, strict=True)) for line in sorted(lines)]


def _changes(wanted: Known, was: Known) -> dict[str, Any]:
    """What the sheet says and is otherwise; what it does not say stays as it is."""
    return {name: value for name, value in wanted.items() if value is not None and _plain(was[name]) != _plain(value)}


def _told(changes: Known, was: Known) -> list[Remark]:
    return [
        Remark(code="changed", detail=f"{name}: {_plain(was[name])!r} becomes {_plain(value)!r}")
        for name, value in changes.items()
    ]


def _told_of_lines(lines: Lines) -> list[Remark]:
    return [Remark(code="changed", detail=f"can run {', '.join(line)}") for line in sorted(lines)]


def _json(fields: Known) -> dict[str, Any]:
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
