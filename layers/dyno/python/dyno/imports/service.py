"""Importing a lab's sheets: all of it or nothing, unless what can be done is to be done."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from dyno.auth import Actor, Permission
from dyno.database import transaction, trial
from dyno.errors import DynoError, ImportInvalid, ImportRefused, InvalidRequest
from dyno.imports import bookings, people, registry, store
from dyno.imports.model import Kind, Parsed, Row
from dyno.imports.report import ImportedRow, ImportReport, Outcome, Terms, Wanted, report, skipped
from dyno.imports.rows import parse
from dyno.imports.work import Work, unreadable
from dyno.metrics import track_performance
from dyno.observability import logger

SERVICE = "ImportService"
MAX_ROWS = 2_000
"""That are taken at once: all of them are to be written, and told of, before the gateway gives up at 29 s."""


def _nothing(*_: object) -> None:
    """What is done where nobody wants to know."""


@dataclass(frozen=True)
class Course:
    """
    How far an import may go, and who wants to know how far it is.

    Attributes:
        most_rows: More are refused.
        give_up_at: By the monotonic clock, asked when the file is read: then nothing of it is kept.
        found: Told how many rows there are.
        done: Told of each of them, when it is known what becomes of it.
        settle: What is done last in the import's own transaction, with its report; what it raises undoes all.
    """

    most_rows: int = field(default_factory=lambda: MAX_ROWS)
    give_up_at: Callable[[], float | None] = lambda: None
    found: Callable[[int], None] = _nothing
    done: Callable[[], None] = _nothing
    settle: Callable[[Connection, ImportReport], None] = _nothing


@track_performance(SERVICE)
def import_file(
    over: Engine, content: bytes, wanted: Wanted, *, charset: str | None, actor: Actor, terms: Terms, course: Course
) -> ImportReport:
    """
    Write and book what is in a lab's sheets, in one transaction; what is there already stays as it is.

    People first, as whose tests may come with them; then vehicles, dynos and rules, what closes dynos, and tests. Who
    books meanwhile goes on; who moves bookings or changes the registry waits.

    Args:
        charset: Of a CSV file, if its sender says so.
    Raises:
        UnreadableFile: It is no sheet, or more than is read.
        Forbidden: It has people, and the caller may not enrol any.
        InvalidRequest: More rows than are taken at once; or columns and kinds that are not there.
        ImportInvalid: Something in it can never be taken as it is written; nothing is changed.
        ImportRefused: The lab cannot do some of it now; nothing is changed.
        Unavailable: Others were faster every time, or it took too long; nothing is changed.
    """
    parsed = _parsed(content, wanted, charset, course.most_rows)
    if any(row.kind is Kind.USERS for row in parsed.rows):
        actor.allow(Permission.MANAGE_USERS)
    course.found(len(parsed.rows))
    # What is raised undoes it.
    with (trial if wanted.dry_run else transaction)(over, course.give_up_at()) as connection:
        done = _imported(Work(connection, actor.sub, terms, course.done), parsed, wanted)
        if done.counts.refused and not wanted.partial:
            raise _refusal(done, parsed.rows)
        course.settle(connection, done)
    enrolled = [row.name for row in done.rows if row.kind is Kind.USERS and row.outcome is Outcome.CREATED]
    if enrolled and done.written:
        logger.info("people enrolled", actor=actor.sub, users=enrolled)
    return done


def _parsed(content: bytes, wanted: Wanted, charset: str | None, most_rows: int) -> Parsed:
    parsed = parse(
        content,
        filename=wanted.filename,
        mapping=wanted.columns,
        date_order=wanted.date_order,
        kinds={"*": wanted.kind} if wanted.kind else None,
        charset=charset,
    )
    if len(parsed.rows) > most_rows:
        more = ": split it" if most_rows > MAX_ROWS else "; POST /imports/uploads takes larger ones"
        raise InvalidRequest(f"the file has {len(parsed.rows):,} rows; at most {most_rows:,} are taken at once{more}")
    return parsed


def _imported(work: Work, parsed: Parsed, wanted: Wanted) -> ImportReport:
    store.plan_alone(work.connection)
    made = [*skipped(parsed), *work.counted(unreadable(row) for row in parsed.rows if row.value is None)]
    made += work.counted(people.people(work, parsed.rows))
    made += work.counted(registry.vehicles(work, parsed.rows))
    # Vehicles before dynos: whoever books locks them in that order.
    known = store.known_dynos(work.connection)
    made += work.counted(registry.dynos(work, parsed.rows, known))
    made += work.counted(registry.rules(work, parsed.rows, known))
    made += work.counted(bookings.maintenance(work, parsed.rows, known))
    booked, planning = bookings.tests(work, parsed.rows, known, keep_placements=wanted.keep_placements)
    return report(parsed, _shown(made + booked, dry_run=wanted.dry_run), planning, wanted)


def _shown(made: Iterable[ImportedRow], *, dry_run: bool) -> Iterable[ImportedRow]:
    """What a dry run booked is there no more, and its ids are nobody's."""
    for row in made:
        gone = dry_run and row.outcome is Outcome.BOOKED
        yield row.model_copy(update={"allocation_id": None}) if gone else row


def _refusal(done: ImportReport, rows: Iterable[Row]) -> DynoError:
    refused = done.counts.refused
    told = f"{refused} row{' was' if refused == 1 else 's were'} refused, and nothing is changed"
    said = done.model_dump(mode="json")
    if any(row.value is None for row in rows):
        return ImportInvalid(told, report=said)
    return ImportRefused(told, report=said)
