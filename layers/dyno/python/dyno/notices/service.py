"""What the outbox does, next to the database."""

from datetime import timedelta

from sqlalchemy import Engine

from dyno.database import autocommit
from dyno.notices import store
from dyno.notices.model import Asked, HandedOut

CLAIMED_FOR = timedelta(seconds=120)
"""Nobody sends for longer: the function that does has as much time."""


def hand_out(over: Engine, asked: Asked) -> HandedOut:
    """Note what was sent, take back what could not be, and hand out what waits to be."""
    with autocommit(over) as connection:
        return store.hand_out(connection, asked, CLAIMED_FOR)
