"""People, as they are stored and as the API shows them: an id of the user pool, a role, and since when."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _instant(given: object) -> object:
    """ISO 8601 with an offset only: no local times, no numbers of seconds."""
    if not isinstance(given, str):
        return given
    if not _INSTANT.fullmatch(given):
        raise ValueError("an instant is written 2026-05-04T10:30:00Z, or with +02:00 for the Z")
    return datetime.fromisoformat(given)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # in the first or the last hours of the calendar
        raise ValueError("no moment of the calendar in UTC") from error


Instant = Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_utc)]
RoleName = Literal["user", "power_user", "admin"]
# User pools make UUIDs. No name, no e-mail address and no pseudonym of whoever was erased is of this form.
Sub = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Strict(BaseModel):
    """What clients send: exact types, no field we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Shown(BaseModel):
    """What clients are shown."""

    model_config = ConfigDict(frozen=True)


class Enrolment(Strict):
    """
    Somebody who is to be enrolled.

    Attributes:
        sub: Their id in the user pool.
        role: A note for the list; what they may do is said by their group in the user pool.
        enrolled_at: None for now.
    """

    sub: Sub
    role: RoleName = "user"
    enrolled_at: Instant | None = None


class EnrolmentRow(Strict):
    """
    A row of a sheet of people.

    Attributes:
        sub: Their id in the user pool; whoever has none is invited first, `make user`, which says it.
        email, name: For whoever reads the sheet; neither is kept.
    """

    sub: Sub | None = None
    email: Annotated[str | None, StringConstraints(max_length=320)] = None
    name: Annotated[str | None, StringConstraints(max_length=200)] = None
    role: RoleName = "user"
    enrolled_at: Instant | None = None


class RowOutcome(Shown):
    """
    What became of a row.

    Attributes:
        row: Its place, from 1.
        outcome: enrolled; already_enrolled, and nothing was changed; or why not: no_sub, in_the_future, twice.
        user_id: Whose it is, if anybody's.
    """

    row: int
    outcome: Literal["enrolled", "already_enrolled", "no_sub", "in_the_future", "twice"]
    user_id: int | None = None


class UserChange(Strict):
    """
    What is to be different about somebody who is enrolled; what is not named stays as it is.

    Attributes:
        left_at: When they left; null if they are back.
        disabled: Whether every door is closed to them from now on, whatever token they have; of anybody who was seen.
    """

    role: RoleName | None = None
    enrolled_at: Instant | None = None
    left_at: Instant | None = None
    disabled: bool | None = None

    @model_validator(mode="after")
    def _stay_enrolled(self) -> "UserChange":
        emptied = [
            name
            for name in ("role", "enrolled_at", "disabled")
            if name in self.model_fields_set and getattr(self, name) is None
        ]
        if emptied:
            raise ValueError(f"{' and '.join(emptied)} can be corrected, not emptied; who leaves has a left_at")
        return self


class User(Shown):
    """
    A person whose token was seen, or who is enrolled.

    Attributes:
        sub: Their id in the user pool; of whoever was erased, `erased:` and the user_id.
        role: As it was noted at enrolment; None with `enrolled_at` of somebody who was only seen.
        left_at: None of whoever is here.
        disabled_at: Since when every door is closed to them; None of whoever may come in.
        version: Its ETag.
    """

    user_id: int
    sub: str
    role: RoleName | None
    enrolled_at: datetime | None
    left_at: datetime | None
    version: int
    disabled_at: datetime | None = None


class Enrolled(User):
    """The answer to an enrolment."""

    replayed: Annotated[bool, Field(exclude=True)] = False


class Me(Shown):
    """
    Who is asking.

    Attributes:
        sub: Their id in the user pool.
        role: Null of people in no group.
        permissions: What they may do, their own things or everybody's.
    """

    sub: str
    role: RoleName | None
    permissions: list[str]


class Said(Shown):
    """
    What a function of the database said.

    Attributes:
        outcome: enrolled, changed, erased or unchanged, or why not.
        user: As they are now; of left_before_enrolment, as they would be.
        replayed: True if the same key had enrolled them before.
    """

    outcome: str
    user: User | None = None
    replayed: bool = False
