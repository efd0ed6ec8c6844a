import itertools
from collections.abc import Iterator

import pytest

from cdk.local import postgres
from cdk.local.instance import LOOPBACK
from dyno.database import engine
from dyno.settings import Settings
from tests.integration.metrics.pipeline import Pipeline

_numbers = itertools.count(1)


def settings_as(role: str, port: int, database: str, release: str = "test") -> Settings:
    return Settings.from_env(
        {
            "DATABASE_HOST": LOOPBACK,
            "DATABASE_PORT": str(port),
            "DATABASE_NAME": database,
            "DATABASE_USER": role,
            "DATABASE_AUTH": "trust",
            "AWS_REGION": "us-east-1",
            "USER_POOL_ISSUER": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_test",
            "USER_POOL_CLIENT_ID": "web",
            "SCRAPER_CLIENT_ID": "scraper",
            "SNAPSHOT_BUCKET": "snapshots",
            "RELEASE": release,
        }
    )


@pytest.fixture(scope="module")
def shared(server_port: int, template: str) -> Iterator[Pipeline]:
    """A pipeline for all tests of a file: copying the database takes longer than most of them."""
    name = f"metrics_{next(_numbers)}"
    admin = postgres.connect(server_port)
    admin.run(f"create database {name} template {template}")
    made = []

    def connect(role: str, number: int = 0) -> object:
        made.append(engine(settings_as(role, server_port, name, f"test-{number}")))
        return made[-1]

    yield Pipeline(connect)  # type: ignore[arg-type]
    for each in made:
        each.dispose()
    admin.run(f"drop database {name} with (force)")
    admin.close()


@pytest.fixture
def pipeline(shared: Pipeline) -> Pipeline:
    """The file's pipeline, emptied."""
    shared.empty()
    return shared
