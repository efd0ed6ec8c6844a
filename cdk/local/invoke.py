"""One function called with one event, as AWS would, past the gateway."""

import base64
import json
import sys
from pathlib import Path
from typing import Any, TextIO

from cdk.local import aws, stack
from cdk.local.instance import Instance, LocalStackError
from cdk.local.stack import Stack

ANSWER_TIMEOUT_S = 900
"""As long as any function may run."""


def invoke(instance: Instance, name: str, event_file: str) -> None:
    """
    Print the function's answer, and its log lines on stderr.

    Args:
        name: The folder in functions/.
        event_file: JSON in AWS's own shape.
    Raises:
        LocalStackError: No such function or file, or the function failed.
    """
    running = stack.running(instance)
    if name not in running.functions:
        raise LocalStackError(f"there is no function {name!r}; there are {', '.join(sorted(running.functions))}")
    try:
        event = json.loads(Path(event_file).read_text())
    except (OSError, ValueError) as error:
        raise LocalStackError(f"{event_file} cannot be read: {error}") from error
    _admit(event, running)
    print(json.dumps(call(running, name, event, log=sys.stderr), indent=2))


def call(running: Stack, name: str, event: dict[str, Any], log: TextIO | None = None) -> Any:  # noqa: ANN401  # JSON
    """
    A function's answer to an event.

    Args:
        log: Where to write what the function logged.
    Raises:
        LocalStackError: It failed.
    """
    answer = aws.client("lambda", running.aws_port, ANSWER_TIMEOUT_S).invoke(
        FunctionName=running.functions[name], Payload=json.dumps(event), LogType="Tail" if log else "None"
    )
    if log:
        log.write(base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"))
    said = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise LocalStackError(f"{name} failed: {json.dumps(said)}")
    return said


def _admit(event: dict[str, Any], running: Stack) -> None:
    """Make the claims of an event that passed another gateway those of a token of this stack's user pool."""
    claims = event.get("requestContext", {}).get("authorizer", {}).get("claims", {})
    if "iss" in claims:
        claims["iss"] = f"https://cognito-idp.{aws.REGION}.amazonaws.com/{running.user_pool_id}"
    if "aud" in claims:
        claims["aud"] = running.web_client_id
