"""SQL in a value is a value."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import DBAPIError

from dyno.database import sqlstate
from functions.allocations import handler as door
from tests.conftest import EngineAs
from tests.functions.conftest import Call, Caller
from tests.lab import MONDAY, Lab

DROP = "'; drop table vehicles; --"
HOSTILE = (DROP, "' or 1=1 --", "\\'; select pg_sleep(9); --", "$$; drop table dynos; $$", "%s", ":vin", "{0}")
Ask = Callable[[Call, str], int]
ORDER = {"test_type": "brake", "start_date": str(MONDAY), "days_to_complete": 1}
ASKED: dict[str, tuple[Ask, set[int]]] = {
    "a vin": (lambda call, said: call(door, "POST", "/allocations/auto", body=ORDER | {"vin": said}).status, {404}),
    "a test": (
        lambda call, said: (
            call(door, "POST", "/allocations/auto", body=ORDER | {"vehicle_id": 1, "test_type": said}).status
        ),
        {201},
    ),
    "a filter": (lambda call, said: call(door, "GET", "/allocations", query={"vin": said}).status, {200, 404}),
    "a cursor": (lambda call, said: call(door, "GET", "/allocations", query={"cursor": said}).status, {422}),
    "a key": (
        lambda call, said: (
            call(
                door,
                "POST",
                "/allocations/auto",
                body=ORDER | {"vehicle_id": 1},
                headers={"Idempotency-Key": said.replace(" ", "_")},
            ).status
        ),
        {201},
    ),
    "a name": (
        lambda call, said: (
            call(door, "POST", "/dynos", body={"name": said, "capabilities": []}, caller=Caller.ADMIN).status
        ),
        {201},
    ),
}
"""Where a text of somebody's reaches a statement, and what is said."""


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("where", ASKED)
def test_sql_in_a_value_is_a_value(call: Call, lab: Lab, where: str, said: str) -> None:
    lab.dyno("Cell 3")
    lab.vehicle()
    ask, answers = ASKED[where]

    assert ask(call, said) in answers
    assert (lab.sql("select count(*) from vehicles"), lab.sql("select min(name) from dynos")) == (
        1,
        min("Cell 3", said if where == "a name" else "Cell 3"),
    )


def test_a_value_that_is_made_part_of_a_statement_would_be_run(engine_as: EngineAs) -> None:
    with engine_as("dyno_allocations").connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(f"select id from vehicles where vin = '{DROP}'")  # planted

    assert sqlstate(refused.value) == "42501"  # it came as far as the login's own rights
