"""The door of the outbox, next to the database: hands out what waits to be told, and notes what was."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.database import engine, wait_until_awake
from dyno.notices import service
from dyno.notices.model import Asked
from dyno.observability import incoming, serving
from dyno.settings import settings

PATIENCE_S = 30
"""Whoever rang had the database awake; whoever asks again later may not."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What is handed out; what was sent stays noted, whatever becomes of the answer."""
    with serving(incoming(event, context)):
        asked = Asked.of(event)
        over = engine(settings())
        wait_until_awake(over, PATIENCE_S)
        return service.hand_out(over, asked).model_dump(mode="json")
