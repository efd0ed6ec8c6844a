"""The table of people: the calls that enrol, change and erase, and the list."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Connection, Integer, bindparam, func, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB

from dyno.paging import Position
from dyno.tables import users
from dyno.users.model import Enrolment, EnrolmentRow, Said, User, UserChange

_ENROL = text("select enrol(:owner, :route, :key, :body_hash, :sub, :role, :enrolled_at) as answer").columns(
    answer=JSONB
)
_ENROL_MANY = (
    text(
        "select r.row, enrol(:owner, :route, null, null, r.sub, r.role, r.enrolled_at) as answer"
        " from (select * from jsonb_to_recordset(:rows)"
        "          as r (row integer, sub text, role text, enrolled_at timestamptz)"
        "        order by r.sub offset 0) r"  # whoever else enrols many meets them in the same order
    )
    .bindparams(bindparam("rows", type_=JSONB))
    .columns(row=Integer, answer=JSONB)
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


def enrol_many(
    connection: Connection, rows: Mapping[int, EnrolmentRow], owner: str, route: str, now: datetime
) -> dict[int, Said]:
    """
    Enrol people, all in one transaction; what was said of each, by the number of their row.

    Args:
        connection: In autocommit.
        rows: By their numbers, each with a sub of its own.
        owner: The caller's sub.
        now: For those of whom nothing else is said.
    """
    wanted = [
        {"row": row, "sub": each.sub, "role": each.role, "enrolled_at": (each.enrolled_at or now).isoformat()}
        for row, each in rows.items()
    ]
    said = connection.execute(_ENROL_MANY, {"owner": owner, "route": route, "rows": wanted})
    return {each.row: Said.model_validate(each.answer) for each in said}


def change(connection: Connection, user_id: int, version: int, wanted: UserChange, actor: str) -> Said:
    """
    Change what is named of a person, if they are still as they were at that version.

    Args:
        actor: The caller's sub.
    """
    named = literal(wanted.model_dump(mode="json", exclude_unset=True) | {"by": actor}, JSONB)
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
