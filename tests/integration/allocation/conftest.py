"""Attempts that meet, each on a connection of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from dyno.errors import DynoError
from tests.lab import Lab

CLIENTS = 32
Attempt = Callable[[Engine], Any]
Crowd = Callable[[Sequence[Attempt]], list[Any]]


@pytest.fixture
def crowd(lab: Lab) -> Iterator[Crowd]:
    """Runs attempts at one moment, each on a connection of its own; gives each one's answer or refusal."""
    over = create_engine(
        lab.over.url, creator=lab.over.pool._creator, pool_size=CLIENTS, max_overflow=0, isolation_level="AUTOCOMMIT"
    )

    def run(attempts: Sequence[Attempt]) -> list[Any]:
        ready = Barrier(len(attempts))

        def one(attempt: Attempt) -> Any:
            with over.connect() as connection:
                connection.execute(text("select 1"))
            ready.wait()
            try:
                return attempt(over)
            except DynoError as refused:
                return refused

        with ThreadPoolExecutor(len(attempts)) as pool:
            return list(pool.map(one, attempts))

    yield run
    over.dispose()
