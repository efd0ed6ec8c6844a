"""The sample lab's 600 requests, booked through the running API one at a time, as a lab would over two years."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cdk.local import lab, stack, users
from cdk.local.instance import Instance, LocalStackError
from cdk.local.lab import Request

BACKUP_DAYS = 7
TRIES = 5


@dataclass
class Tally:
    """
    What became of the requests so far.

    Attributes:
        booked: Holding a booking now, whether this replay made it or an earlier one.
        new: Booked by this replay.
        shifted: Of the booked, those moved to a later day.
        refused: By the code of the API.
    """

    booked: int = 0
    new: int = 0
    shifted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0

    def count(self, answer: httpx.Response) -> None:
        """Add an answer of POST /allocations/auto."""
        body = answer.json()
        if answer.status_code == HTTPStatus.CREATED:
            self.booked += 1
            self.new += answer.headers.get("idempotency-replayed") != "true"
            self.shifted += body["shift_days"] > 0
        else:
            self.refused[body["code"]] += 1

    @property
    def total(self) -> int:
        """How many requests were answered."""
        return self.booked + self.refused.total()


def run(instance: Instance, console: Console) -> Tally:
    """
    Replay the sample's requests against the running stack, with a progress bar and a summary.

    Raises:
        LocalStackError: Nothing runs, or the API broke.
    """
    running = stack.running(instance)
    tokens = users.tokens(instance, running)
    requests = lab.requests(instance)
    columns = (TextColumn("booking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tally = Tally()
    with Progress(*columns, console=console) as progress:
        for _ in progress.track(replay(running.url, requests, tokens, tally), total=len(requests)):
            pass  # the bar moves
    _report(tally, running.url, console)
    return tally


def replay(url: str, requests: Iterable[Request], tokens: dict[str, str], tally: Tally) -> Iterator[Request]:
    """
    Send each request in order, the next when the last is answered and counted; each as it is done.

    Args:
        tokens: Of the people who take turns in asking.
    """
    start = time.monotonic()
    people = list(tokens.values())
    with httpx.Client(base_url=url, timeout=35, trust_env=False) as client:
        for request in requests:
            tally.count(_ask(client, request, people[request.row % len(people)]))
            tally.seconds = time.monotonic() - start
            yield request


def _ask(client: httpx.Client, request: Request, token: str) -> httpx.Response:
    body = _body(request)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": _key(request, body)}
    for attempt in range(1, TRIES + 1):
        answer = client.post("/allocations/auto", json=body, headers=headers)
        if answer.status_code in {HTTPStatus.CREATED, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
            return answer
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or attempt == TRIES:
            break
        time.sleep(int(answer.headers.get("retry-after", "1")))  # the key makes asking again safe
    raise LocalStackError(f"request {request.row} was answered {answer.status_code}: {answer.text}")


def _body(request: Request) -> dict[str, Any]:
    return {
        "vin": request.vin,
        "test_type": request.test_type,
        "start_date": request.start_date.isoformat(),
        "days_to_complete": request.days_to_complete,
        "backup": True,
        "max_backup_days": BACKUP_DAYS,
    }


def _key(request: Request, body: dict[str, Any]) -> str:
    content = json.dumps([request.row, body], sort_keys=True)
    return f"demo-{request.row}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _report(tally: Tally, url: str, console: Console) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("booked", str(tally.booked), f"{tally.new} of them new")
    table.add_row("  shifted", str(tally.shifted), f"moved by 1 to {BACKUP_DAYS} days")
    for code, count in sorted(tally.refused.items()):
        table.add_row("refused", str(count), code)
    table.add_row(
        "requests a second", f"{tally.total / tally.seconds:.0f}", f"one at a time, {tally.seconds:.1f} s in all"
    )
    console.print(table)
    console.print('\nTo look at, with: curl -H "Authorization: Bearer $(make -s token)" …', highlight=False)
    for path, what in (
        ("/metrics/performance", "calls, outcomes and percentiles"),
        ("/metrics/prometheus", "the same for Prometheus; needs no token here"),
        ("/allocations/conflicts", "double bookings: there are none"),
    ):
        console.print(f"  {url}{path}  [dim]{what}[/]", soft_wrap=True, highlight=False)
