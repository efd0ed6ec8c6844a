"""The door of the schema: brings it to this release's head when the stack is deployed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno import migrations
from dyno.cloudformation import answer
from dyno.database import engine, wait_until_awake
from dyno.settings import settings

PATIENCE_S = 120


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Migrate, and tell CloudFormation how it went."""
    return answer(event, "dyno-schema", migrate)


def migrate() -> dict[str, str]:
    """The revision the schema is at afterwards; a sleeping cluster is woken, and a long migration waited for."""
    over = engine(settings(), answer_timeout_s=None)
    wait_until_awake(over, PATIENCE_S)
    return {"revision": migrations.upgrade(over)}
