"""The door of the schema: brings it to this release's head when the stack is deployed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno import migrations
from dyno.cloudformation import answer
from dyno.database import engine
from dyno.settings import settings


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Migrate, and tell CloudFormation how it went."""
    return answer(event, "dyno-schema", migrate)


def migrate() -> dict[str, str]:
    """The revision the schema is at afterwards."""
    return {"revision": migrations.upgrade(engine(settings()))}
