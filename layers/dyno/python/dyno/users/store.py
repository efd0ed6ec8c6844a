"""The table of people: the calls that enrol, change and erase, and the list."""

import hashlib
from datetime import datetime

from sqlalchemy import BigInteger, Connection, func, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB

from dyno.paging import Position
from dyno.tables import users
from dyno.users.model import Enrolment, Said, User, UserChange

_ENROL = text("select enrol(:owner, :route, :key, :body_hash, :sub, :role, :enrolled_at) as answer").columns(
    answer=JSONB
)
_USERS = select(users.c.id.label("user_id"), *(column for column in users.c if column.name != "id"))
_HERE = users.c.enrolled_at.is_not(None) & users.c.left_at.is_(None)


def enrol(
    connection: Connection, request: Enrolment, owner: str, route: str, key: str | None, enrolled_at: datetime
) -> Said:
    """
    Enrol a person, or say why not, in one statement that is its own transaction.

    Args:
        connection: In autocommit.
        owner: The caller's sub.
        key: The caller's Idempotency-Key on this route, if any.
    """
    answer = connection.execute(
        _ENROL,
        {
            "owner": owner,
            "route": route,
            "key": key,
            "body_hash": hashlib.sha256(request.model_dump_json(exclude_defaults=True).encode()).digest(),
            "sub": request.sub,
            "role": request.role,
            "enrolled_at": enrolled_at,
        },
    ).scalar_one()
    return Said.model_validate(answer)


def change(connection: Connection, user_id: int, version: int, wanted: UserChange) -> Said:
    """Change what is named of an enrolled person, if they are still as they were at that version."""
    named = literal(wanted.model_dump(mode="json", exclude_unset=True), JSONB)
    changed = func.change_user(user_id, version, named, type_=JSONB)
    return Said.model_validate(connection.execute(select(changed)).scalar_one())


def erase(connection: Connection, user_id: int, version: int, actor: str) -> Said:
    """
    Erase a person, if they are still as they were at that version, wherever their id in the user pool is.

    Args:
        connection: In autocommit.
        actor: The caller's sub.
    """
    erased = func.erase_user(user_id, version, actor, type_=JSONB)
    return Said.model_validate(connection.execute(select(erased)).scalar_one())


def user(connection: Connection, user_id: int) -> User | None:
    """One person; None if there is no such id."""
    row = connection.execute(_USERS.where(users.c.id == user_id)).one_or_none()
    return User.model_validate(row._asdict()) if row else None


def users_after(
    connection: Connection, *, enrolled: bool | None, after: Position, limit: int
) -> list[tuple[Position, User]]:
    """
    People in order of id, at most `limit`.

    Args:
        enrolled: Only those who are and have not left, or only the others; None for all.
    """
    query = _USERS.where(users.c.id > literal(after[0], BigInteger)).order_by(users.c.id).limit(limit)
    if enrolled is not None:
        query = query.where(_HERE if enrolled else ~_HERE)
    return [((row.user_id,), User.model_validate(row._asdict())) for row in connection.execute(query)]
