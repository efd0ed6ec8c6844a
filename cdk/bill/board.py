"""What a dashboard reads each time that somebody opens it, by its body."""

import json
import re
from dataclasses import dataclass
from typing import Any

from cdk.bill.inventory import Resource

SHOWN_HOURS = 3
"""Unless the body says otherwise. Source: CloudWatch API Reference, "Dashboard body structure and syntax"."""

HOURS_A_DAY = 24

_START = re.compile(r"-P(?=.)(?:(?P<days>\d+)D)?(?:T(?P<hours>\d+)H)?")


@dataclass(frozen=True)
class Board:
    """
    A dashboard as far as it is paid for by use.

    Attributes:
        queries: Of logs.
        shown_hours: How far back each looks.
    """

    queries: int
    shown_hours: int

    @classmethod
    def of(cls, dashboard: Resource) -> "Board":
        """
        As its body has it.

        Raises:
            UnpricedError: The body is not written out, or begins at no number of days and hours before now.
        """
        body = _body(dashboard)
        queries = sum(widget["type"] == "log" for widget in body.get("widgets", ()))
        return cls(queries, _hours(dashboard, body["start"]) if "start" in body else SHOWN_HOURS)


def _body(dashboard: Resource) -> dict[str, Any]:
    match dashboard.properties.get("DashboardBody"):
        case str(text):
            pass
        case {"Fn::Join": [str(between), [*parts]]}:
            # What only AWS knows, as a region or a name, is within a text of the body.
            text = between.join(part if isinstance(part, str) else "?" for part in parts)
        case _:
            raise dashboard.unpriced("a body that is not written out")
    try:
        body: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise dashboard.unpriced("a body that is no JSON") from error
    return body


def _hours(dashboard: Resource, start: str) -> int:
    said = _START.fullmatch(start)
    if said is None:
        raise dashboard.unpriced(f"what begins at {start}")
    return int(said["days"] or 0) * HOURS_A_DAY + int(said["hours"] or 0)
