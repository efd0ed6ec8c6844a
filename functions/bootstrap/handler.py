"""The door of the master user: makes the database roles, from outside the VPC, through the RDS Data API."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dyno.bootstrap import by_connection, by_data_api
from dyno.cloudformation import answer


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Make the roles, and tell CloudFormation how it went."""
    return answer(event, "dyno-roles", lambda: bootstrap(os.environ))


def bootstrap(env: Mapping[str, str]) -> dict[str, str]:
    """Names of the roles that exist afterwards."""
    make: Callable[[Mapping[str, str]], list[str]] = by_data_api if "CLUSTER_ARN" in env else by_connection
    return {"roles": ",".join(make(env))}
