"""The booking route as it is usually written: Powertools' own resolver, metrics and logger around the usual way."""

from datetime import date
from typing import Annotated, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel
from sqlalchemy import Engine

from tests.benchmarks.clients import Wish
from tests.benchmarks.peers.booking import usual


class Wanted(BaseModel):
    """The body."""

    vehicle_id: int
    test_type: str
    start_date: date
    days_to_complete: int = 1
    backup: bool = True
    max_backup_days: int = 7


class UsualDoor:
    """
    All of it, made once a process.

    Args:
        over: Where it books.
        logger: Writes a line per request, as does `metrics`.
    """

    def __init__(self, over: Engine, logger: Logger, metrics: Metrics) -> None:
        self._over, self._metrics = over, metrics
        self._resolver = APIGatewayRestResolver(enable_validation=True)
        self._resolver.post("/allocations/auto")(self._auto)
        self.handler = metrics.log_metrics(logger.inject_lambda_context(self._resolve))
        self._logger = logger

    def _resolve(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return self._resolver.resolve(event, context)

    def _auto(self, wanted: Wanted, key: Annotated[str, Header(alias="Idempotency-Key")]) -> Response[dict[str, Any]]:
        number, shifts = int(key.removeprefix("key-")), wanted.max_backup_days
        wish = Wish(number, wanted.vehicle_id, wanted.test_type, wanted.start_date, shifts)
        said = usual(self._over, wish)
        self._metrics.add_dimension("method", "auto_allocate")
        self._metrics.add_metric("Bookings", MetricUnit.Count, int(said.booked))
        self._logger.info("booked", extra={"vehicle_id": wanted.vehicle_id, "booked": said.booked})
        if not said.booked:
            raise ServiceError(409, "no dyno is free")
        return Response(201, "application/json", {"success": True, "vehicle_id": wanted.vehicle_id})
