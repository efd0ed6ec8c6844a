from collections.abc import Callable

import pytest

from dyno import migrations
from functions.migrate import handler as door
from tests.conftest import EngineAs
from tests.functions.conftest import Context
from tests.lab import Lab


@pytest.mark.own_database
def test_the_door_brings_the_schema_to_its_head(enter: Callable[[str], None], engine_as: EngineAs, lab: Lab) -> None:
    migrations.downgrade(engine_as("dyno_owner"), "base")
    enter("dyno_owner")

    said = door.handler({}, Context())  # type: ignore[arg-type]

    assert said == {"Status": "SUCCESS", "Data": {"revision": migrations.head()}}
    assert lab.sql("select count(*) from dynos") == 0
