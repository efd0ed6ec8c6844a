"""What every kind of row is written with, and how it is said what became of one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection

from dyno.errors import Unavailable
from dyno.imports.model import Kind, Row
from dyno.imports.report import ImportedRow, Outcome, Remark, Terms, remarks, said

T = TypeVar("T")

MAX_TEXT = 64
"""Characters of a name, a test or a reason: as everywhere in the API."""


@dataclass(frozen=True)
class Work:
    """
    An import under way.

    Attributes:
        connection: In the one transaction of all of it.
        actor: The caller's sub.
        terms: The lab's.
        done: Told of each row when it is known what becomes of it.
    """

    connection: Connection
    actor: str
    terms: Terms
    done: Callable[[], None] = lambda: None

    def counted(self, made: Iterable[ImportedRow]) -> Iterator[ImportedRow]:
        """The same rows, each told of."""
        for row in made:
            yield row
            self.done()


def in_batches(all_of_them: Iterable[T], most: int) -> Iterator[list[T]]:
    """Lists of at most so many, in order; more would be known of too late, and one by one is a round trip each."""
    left = iter(all_of_them)
    while batch := list(islice(left, most)):
        yield batch


def became(
    row: Row,
    outcome: Outcome,
    name: str | None,
    more: Iterable[Remark] = (),
    **shown: Any,  # noqa: ANN401  # as it is shown
) -> ImportedRow:
    """What became of a row, with what the reader left out of it."""
    return ImportedRow(
        sheet=row.place.sheet,
        row=row.place.row,
        last_row=row.place.row,
        kind=row.kind,
        name=name,
        outcome=outcome,
        remarks=[*remarks(row.notes), *more],
        **shown,
    )


def refused(row: Row, name: str | None, code: str, detail: str) -> ImportedRow:
    """A row that was not taken, and why."""
    return became(row, Outcome.REFUSED, name, [Remark(code=code, detail=detail)])


def unreadable(row: Row) -> ImportedRow:
    """A row in which something is wrong."""
    return became(row, Outcome.REFUSED, None, remarks(row.problems))


def readable(rows: Iterable[Row], kind: Kind) -> list[Row]:
    """Rows of a kind in which nothing is wrong."""
    return [row for row in rows if row.kind is kind and row.value is not None]


def contended() -> Unavailable:
    """Somebody else was there first, again and again; nothing of the import is kept."""
    return Unavailable("others were faster every time; try again")


def stranded(told: Mapping[str, Any]) -> str:
    """What a change would leave behind, for people."""
    ids = [str(each["allocation_id"]) for each in told["stranded"]]
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""  # noqa: PLR2004
    return f"it would leave behind what is booked: allocation {', '.join(ids[:5])}{more}"


def twice(row: Row, name: str, seen: dict[str, Row]) -> ImportedRow | None:
    """A row that speaks of what an earlier one spoke of; None if it is the first."""
    first = seen.setdefault(name, row)
    if first is row:
        return None
    if first.value == row.value:
        told = Remark(code="repeated", detail=f"says what {said(first.place)} says")
        return became(row, Outcome.SKIPPED, name, [told])
    return refused(row, name, "contradicted", f"says something else than {said(first.place)}; one of them must go")
