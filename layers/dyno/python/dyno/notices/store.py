"""The outbox: notices that were written with what they tell of, and whether they were sent."""

from datetime import timedelta

from sqlalchemy import ARRAY, BigInteger, Connection, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from dyno.notices.model import Asked, HandedOut


def hand_out(connection: Connection, asked: Asked, claimed_for: timedelta) -> HandedOut:
    """
    Note what was sent, take back what could not be, and hand out what waits, in one statement.

    Args:
        connection: In autocommit.
        claimed_for: How long nobody else is handed the same.
    """
    sent, unsent = (literal(ids, ARRAY(BigInteger)) for ids in (asked.sent, asked.unsent))
    handed_out = func.hand_out_notices(sent, unsent, asked.most, claimed_for, type_=JSONB)
    return HandedOut.model_validate({"notices": connection.execute(select(handed_out)).scalar_one()})
