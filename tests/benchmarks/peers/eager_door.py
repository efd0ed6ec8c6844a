"""
A door as such doors are usually written: what a request may need is imported and made before the first.

Behind it is one of ours, so that both have the same to set up and the same answer to give.
"""

import os
from collections.abc import Callable
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from aws_lambda_powertools.utilities.typing import LambdaContext
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, configure_mappers, sessionmaker

from dyno import tables

logger = Logger(service="allocations")
tracer = Tracer(service="allocations")
metrics = Metrics(namespace="DynoAgent/Production", service="allocations")
rds = boto3.client("rds")  # signs the database's tokens
idempotency = IdempotencyConfig(event_key_jmespath='headers."Idempotency-Key"')
answers = DynamoDBPersistenceLayer(table_name="answers")


class Entity(DeclarativeBase):
    """What the tables' rows are mapped to."""

    metadata = tables.metadata


class Dyno(Entity):
    __table__ = tables.dynos


class Capability(Entity):
    __table__ = tables.capabilities


class Vehicle(Entity):
    __table__ = tables.vehicles


class Occupancy(Entity):
    __table__ = tables.occupancies


class Event(Entity):
    __table__ = tables.history


configure_mappers()
host, port, name = (os.environ[f"DATABASE_{part}"] for part in ("HOST", "PORT", "NAME"))
Session = sessionmaker(create_engine(f"postgresql+pg8000://{host}:{port}/{name}"))


Handler = Callable[[dict[str, Any], LambdaContext], Any]


def eager(door: Handler) -> Handler:
    """The door with everything around it that such doors have."""
    made: Handler = metrics.log_metrics(
        tracer.capture_lambda_handler(logger.inject_lambda_context(door)), capture_cold_start_metric=True
    )
    return made
