"""People: enrolled as one is who is enrolled by hand, and left as they are if they are enrolled already."""

from collections.abc import Iterable, Iterator
from datetime import datetime, time
from zoneinfo import ZoneInfo

from dyno.imports.model import Kind, Person, Row
from dyno.imports.report import ImportedRow, Outcome, Terms
from dyno.imports.work import Work, became, readable, refused, twice
from dyno.users import service
from dyno.users.model import EnrolmentRow, RowOutcome


def people(work: Work, rows: Iterable[Row]) -> Iterator[ImportedRow]:
    """Enrol people, each once: a second row of one says the same, or is refused."""
    wanted: list[tuple[Row, EnrolmentRow]] = []
    seen: dict[str, Row] = {}
    for row in readable(rows, Kind.USERS):
        if not isinstance(person := row.value, Person):
            continue
        if again := twice(row, person.sub, seen):
            yield again
        else:
            wanted.append((row, _enrolment(person, work.terms)))
    said = service.enrol_rows(work.connection, [each for _, each in wanted], owner=work.actor, now=work.terms.now)
    for (row, each), became_of_it in zip(wanted, said, strict=True):
        yield _told(row, each, became_of_it, work.terms)


def _enrolment(person: Person, terms: Terms) -> EnrolmentRow:
    when = person.enrolled_at
    if when is not None and not isinstance(when, datetime):
        when = datetime.combine(when, time(), ZoneInfo(terms.time_zone))
    return EnrolmentRow(sub=person.sub, role=person.role, enrolled_at=when)


def _told(row: Row, each: EnrolmentRow, said: RowOutcome, terms: Terms) -> ImportedRow:
    match said.outcome:
        case "enrolled":
            return became(row, Outcome.CREATED, each.sub)
        case "already_enrolled":
            return became(row, Outcome.UNCHANGED, each.sub)
    return refused(row, each.sub, said.outcome, f"{each.enrolled_at} lies in the future; it is {terms.now.isoformat()}")
