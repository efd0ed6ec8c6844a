"""Admins at one moment, each on a connection of their own: one of them does it, and everybody is told what is true."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from dyno.auth import Actor, Role
from dyno.errors import DynoError
from dyno.users import service
from dyno.users.model import Enrolment, UserChange
from tests.lab import ADMIN, Lab

ADMINS = 8
ROUNDS = 10
NOW = datetime.now(UTC)
Race = Callable[[Callable[[Engine, int], Any]], list[Any]]


@pytest.fixture
def race(lab: Lab) -> Iterator[Race]:
    """Has ADMINS do something at one moment; gives each one's answer or refusal."""
    over = create_engine(
        lab.over.url, creator=lab.over.pool._creator, pool_size=ADMINS, max_overflow=0, isolation_level="AUTOCOMMIT"
    )

    def run(attempt: Callable[[Engine, int], Any]) -> list[Any]:
        ready = Barrier(ADMINS)

        def one(number: int) -> Any:
            with over.connect() as connection:
                connection.execute(text("select 1"))
            ready.wait()
            try:
                return attempt(over, number)
            except DynoError as refused:
                return refused

        with ThreadPoolExecutor(ADMINS) as pool:
            return list(pool.map(one, range(ADMINS)))

    yield run
    over.dispose()


def enrol(over: Engine, sub: str, actor: Actor, key: str | None = None) -> Any:
    return service.enrol(over, Enrolment(sub=sub), actor=actor, key=key, now=NOW)


def outcomes(answers: list[Any]) -> Counter[str]:
    return Counter(type(answer).__name__ for answer in answers)


@pytest.mark.parametrize("seen", [False, True])
def test_a_person_whom_all_admins_enrol_is_enrolled_once(lab: Lab, race: Race, seen: bool) -> None:
    for number in range(ROUNDS):
        sub = f"person-{number}"
        if seen:
            lab.sql("insert into users (sub) values (:sub)", sub=sub)

        def attempt(over: Engine, admin: int, sub: str = sub) -> Any:
            return enrol(over, sub, Actor(f"admin-{admin}", Role.ADMIN))

        answers = race(attempt)

        assert outcomes(answers) == {"Enrolled": 1, "UserAlreadyEnrolled": ADMINS - 1}
        ids = {getattr(answer, "user_id", None) or answer.details["user_id"] for answer in answers}
        assert ids == {lab.sql("select id from users where sub = :sub", sub=sub)}


def test_twins_under_one_key_get_one_answer(lab: Lab, race: Race) -> None:
    for number in range(ROUNDS):

        def attempt(over: Engine, _: int, number: int = number) -> Any:
            return enrol(over, f"person-{number}", ADMIN, key=f"k-{number}")

        answers = race(attempt)

        assert outcomes(answers) == {"Enrolled": ADMINS}
        assert Counter(answer.replayed for answer in answers) == {False: 1, True: ADMINS - 1}
        assert len({answer.model_dump_json() for answer in answers}) == 1
    assert lab.sql("select count(*) from users") == lab.sql("select count(*) from idempotency_keys") == ROUNDS


def test_of_changes_under_one_etag_one_is_made(lab: Lab, race: Race) -> None:
    ann = enrol(lab.over, "ann", ADMIN)
    for version in range(1, ROUNDS + 1):
        # Never what they are already: that would be no change, and no version.
        roles = ["power_user", "admin"] if version % 2 else ["user", "user"]

        def attempt(over: Engine, number: int, version: int = version, roles: list[str] = roles) -> Any:
            wanted = UserChange.model_validate({"role": roles[number % 2]})
            return service.change_user(over, ann.user_id, wanted, version=version, actor=ADMIN, now=NOW)

        answers = race(attempt)

        assert outcomes(answers) == {"User": 1, "Stale": ADMINS - 1}
        assert service.get_user(lab.over, ann.user_id) in answers
