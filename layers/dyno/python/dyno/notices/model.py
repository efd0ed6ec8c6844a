"""Notices, as they wait in the outbox and as EventBridge is told."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dyno.errors import InvalidRequest

SHAPE = "dyno-notice/1"

MOST = 100
"""Handed out at once; a notice has 1 KB at most, and Lambda answers with 6 MB."""

Ids = Annotated[list[Annotated[int, Field(ge=1, lt=2**63)]], Field(max_length=MOST)]


class Kind(StrEnum):
    """What befell a booking."""

    MOVED = "moved"
    DISPLACED = "displaced"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


DETAIL_TYPES: Mapping[Kind, str] = {
    Kind.MOVED: "Booking moved",
    Kind.DISPLACED: "Booking displaced",
    Kind.CANCELLED: "Booking cancelled",
    Kind.LAPSED: "Hold lapsed",
}
"""What EventBridge calls it."""


class Place(BaseModel):
    """A dyno, and the days on it, both ends in."""

    model_config = ConfigDict(frozen=True)

    dyno_id: int
    dyno_name: str
    start_date: date
    end_date: date


class Notice(BaseModel):
    """
    What befell a booking, and whom it concerns.

    Attributes:
        notice_id: The same whenever it is told; the later one of a booking is the greater.
        version: Of the booking, behind what befell it.
        owner: Whose booking it is, by their id in the user pool; of whoever was erased, their pseudonym.
        actor: Who did it, likewise; `system` of what nobody did.
        after: None of a booking that takes no dyno any more.
        correlation_id: Of the request that did it, or that came upon a hold that ran out; None if none did.
    """

    model_config = ConfigDict(frozen=True)

    notice_id: int
    kind: Kind
    allocation_id: int
    version: int
    vin: str
    test_type: str
    status: str
    owner: str
    actor: str
    before: Place | None
    after: Place | None
    occurred_at: datetime
    correlation_id: str | None

    def detail(self) -> dict[str, Any]:
        """What stands in the event; `by_owner` for rules, which cannot compare."""
        said = self.model_dump(mode="json", exclude={"kind"})
        return {"notice": SHAPE, **said, "by_owner": self.actor == self.owner}


class Asked(BaseModel):
    """
    What the outbox is asked to do.

    Attributes:
        sent: Notices that are with EventBridge, by id.
        unsent: Notices that were handed out and could not be sent.
        most: How many are to be handed out then.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sent: Ids = []
    unsent: Ids = []
    most: Annotated[int, Field(ge=0, le=MOST)] = MOST

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Asked":
        """
        As an event says.

        Raises:
            InvalidRequest: It says something else.
        """
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise InvalidRequest(f"the outbox takes sent, unsent and most: {faults}") from error


class HandedOut(BaseModel):
    """What the outbox hands out: to whoever asked, and for a while to nobody else; oldest first."""

    notices: Sequence[Notice]


class Errand(BaseModel):
    """
    Why somebody was sent to the outbox.

    Attributes:
        sweep: At night, to see whether anything was left behind; else a line of the log said that something waits.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    sweep: bool = False
