"""Who the service is for: enrolling people, correcting what is noted of them, letting them leave, erasing them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from dyno.auth import Actor
from dyno.database import autocommit
from dyno.errors import (
    DynoError,
    IdempotencyKeyReused,
    InvalidRequest,
    OwnAccount,
    Stale,
    UserAlreadyEnrolled,
    UserErased,
    UserNotEnrolled,
    UserNotFound,
)
from dyno.metrics import track_performance
from dyno.observability import logger
from dyno.paging import Page, after, page
from dyno.users import store
from dyno.users.model import Enrolled, Enrolment, EnrolmentRow, RowOutcome, Said, User, UserChange

SERVICE = "UserService"
ENROL_ROUTE = "POST /users"


@track_performance(SERVICE)
def enrol(over: Engine, request: Enrolment, *, actor: Actor, key: str | None, now: datetime) -> Enrolled:
    """
    Enrol a person, whether their token was seen before or not.

    Args:
        key: The caller's Idempotency-Key; the same request under the same key enrols once and is answered alike.
        now: Aware.
    Raises:
        InvalidRequest: In the future.
        IdempotencyKeyReused: The key came with another request before.
        UserAlreadyEnrolled: They are, or they were and left.
    """
    _refuse_the_future(request, now)
    with autocommit(over) as connection:
        said = store.enrol(connection, request, actor.sub, ENROL_ROUTE, key, request.enrolled_at or now)
    if said.outcome != "enrolled" or said.user is None:
        raise _not_enrolled(said)
    if not said.replayed:
        _log("person enrolled", actor, said.user)
    return Enrolled(**said.user.model_dump(), replayed=said.replayed)


@track_performance(SERVICE)
def enrol_many(over: Engine, rows: Sequence[EnrolmentRow], *, actor: Actor, now: datetime) -> list[RowOutcome]:
    """
    Enrol the people of a sheet, each that can be, and say of each what became of them; a second time changes nothing.

    Args:
        rows: As many as a sheet has; all are written, or none.
        now: Aware.
    """
    with autocommit(over) as connection:
        told = enrol_rows(connection, rows, owner=actor.sub, now=now)
    enrolled = [row.user_id for row in told if row.outcome == "enrolled"]
    logger.info("people enrolled", actor=actor.sub, users=enrolled)
    return told


def enrol_rows(connection: Connection, rows: Sequence[EnrolmentRow], *, owner: str, now: datetime) -> list[RowOutcome]:
    """
    The same, as a part of what else the connection does.

    Args:
        owner: The caller's sub.
        now: Aware.
    """
    wanted: dict[int, EnrolmentRow] = {}
    told: dict[int, RowOutcome] = {}
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        if row.sub is None:
            told[number] = RowOutcome(row=number, outcome="no_sub")
        elif row.enrolled_at and row.enrolled_at > now:
            told[number] = RowOutcome(row=number, outcome="in_the_future")
        elif row.sub in seen:
            told[number] = RowOutcome(row=number, outcome="twice")
        else:
            seen.add(row.sub)
            wanted[number] = row
    said = store.enrol_many(connection, wanted, owner, ENROL_ROUTE, now) if wanted else {}
    for number, each in said.items():
        told[number] = RowOutcome.model_validate(
            {"row": number, "outcome": each.outcome, "user_id": each.user and each.user.user_id}
        )
    return [told[number] for number in sorted(told)]


@track_performance(SERVICE)
def change_user(over: Engine, user_id: int, change: UserChange, *, version: int, actor: Actor, now: datetime) -> User:
    """
    Correct what is noted of an enrolled person, let them leave, or have them back; of nothing new, nothing changes.

    Args:
        version: The one the caller has seen.
        now: Aware.
    Raises:
        InvalidRequest: In the future, or leaving before the enrolment.
        UserNotFound: Nobody has that id.
        Stale: They are not as they were at that version.
        OwnAccount: The actor would disable themselves.
        UserNotEnrolled: They were only seen.
        UserErased: Who they were is not known any more.
    """
    _refuse_the_future(change, now)
    with autocommit(over) as connection:
        said = store.change(connection, user_id, version, change, actor.sub)
    if said.outcome not in {"changed", "unchanged"} or said.user is None:
        raise _not_changed(said, user_id, version)
    if said.outcome == "changed":
        _log("person changed", actor, said.user)
    return said.user


@track_performance(SERVICE)
def erase_user(over: Engine, user_id: int, *, version: int, actor: Actor) -> User:
    """
    Erase a person: what they did stays, under a pseudonym; a second time changes nothing.

    Their account in the user pool is to be deleted first: what they do by a token that is still valid, a day at most,
    makes them a person newly seen, to be erased in their turn.

    Args:
        version: The one the caller has seen; of whoever is erased already, any.
    Raises:
        UserNotFound: Nobody has that id.
        OwnAccount: The actor is the person.
        Stale: They are not as they were at that version.
    """
    with autocommit(over) as connection:
        said = store.erase(connection, user_id, version, actor.sub)
    if said.outcome not in {"erased", "unchanged"} or said.user is None:
        raise _not_erased(said, user_id, version)
    if said.outcome == "erased":
        _log("person erased", actor, said.user)
    return said.user


@track_performance(SERVICE)
def get_user(over: Engine, user_id: int) -> User:
    """
    One person.

    Raises:
        UserNotFound: Nobody has that id.
    """
    with autocommit(over) as connection:
        found = store.user(connection, user_id)
    if found is None:
        raise _no_such_user(user_id)
    return found


@track_performance(SERVICE)
def list_users(over: Engine, cursor: str | None, limit: int, *, enrolled: bool | None) -> Page[User]:
    """People in order of id: those enrolled and here, the others, or all."""
    with autocommit(over) as connection:
        return page(store.users_after(connection, enrolled=enrolled, after=after(cursor), limit=limit + 1), limit)


def _refuse_the_future(request: Enrolment | UserChange, now: datetime) -> None:
    early = [name for name in ("enrolled_at", "left_at") if (moment := getattr(request, name, None)) and moment > now]
    if early:
        raise InvalidRequest.of(f"body.{early[0]}", f"lies in the future; it is {now.isoformat()}")


def _not_enrolled(said: Said) -> DynoError:
    match said:
        case Said(outcome="key_reused"):
            return IdempotencyKeyReused("this Idempotency-Key came with another request; use a new one")
        case Said(outcome="already_enrolled", user=User(left_at=None) as user):
            return UserAlreadyEnrolled(f"{user.sub} is enrolled, as user {user.user_id}", user_id=user.user_id)
        case Said(outcome="already_enrolled", user=User() as user):
            back = f'PATCH /users/{user.user_id} with {{"left_at": null}} has them back'
            return UserAlreadyEnrolled(f"{user.sub} was enrolled and left; {back}", user_id=user.user_id)
    return DynoError(f"the enrolling function said {said.outcome}")


def _not_changed(said: Said, user_id: int, version: int) -> DynoError:
    found: DynoError = DynoError(f"the changing function said {said.outcome}")
    match said:
        case Said(outcome="not_found"):
            found = _no_such_user(user_id)
        case Said(outcome="stale", user=User() as user):
            found = Stale(f"user {user_id} is at version {user.version}, not {version}; look at them again")
        case Said(outcome="own_account"):
            found = OwnAccount(f"user {user_id} is you; another admin can disable you")
        case Said(outcome="not_enrolled"):
            found = UserNotEnrolled(f"user {user_id} was only seen; POST /users enrols them")
        case Said(outcome="was_erased"):
            found = UserErased(f"user {user_id} was erased; of somebody nobody knows, nothing is corrected")
        case Said(outcome="left_before_enrolment", user=User(enrolled_at=datetime() as enrolled_at)):
            found = InvalidRequest.of("body.left_at", f"lies before enrolled_at, {enrolled_at.isoformat()}")
    return found


def _not_erased(said: Said, user_id: int, version: int) -> DynoError:
    if said.outcome == "own_account":
        return OwnAccount(f"user {user_id} is you; another admin can erase you")
    return _not_changed(said, user_id, version)


def _no_such_user(user_id: int) -> UserNotFound:
    return UserNotFound(f"no user has the id {user_id}")


def _log(what: str, actor: Actor, user: User) -> None:
    """Who did it to whom; both are ids of the user pool."""
    logger.info(what, actor=actor.sub, user=user.model_dump(mode="json"))
