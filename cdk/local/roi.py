"""The reports of what it saves as tables on a terminal, of the stack that runs here or of any deployment."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

import httpx
from rich.console import Console

from cdk.local import stack, users
from cdk.local.instance import Instance, LocalStackError
from cdk.local.roi_tables import Report, figures, heading, lab, lines

_GATEWAY_TIMEOUT_S = 35


@dataclass(frozen=True)
class Wanted:
    """A month, the days from one to another, an example, or everything."""

    month: str | None = None
    preset: str | None = None
    start: str | None = None
    end: str | None = None

    def query(self) -> dict[str, str]:
        """As the API is asked for it."""
        asked = {"month": self.month, "preset": self.preset, "from": self.start, "to": self.end}
        return {name: value for name, value in asked.items() if value}


def run(
    instance: Instance,
    wanted: Wanted,
    console: Console,
    *,
    url: str | None = None,
    token: str | None = None,
    html: Path | None = None,
) -> None:
    """
    Show both reports, and save the printable page if a file for it is named.

    Args:
        url: Of a deployment's API, which takes a token of it, too; the stack that runs here if not given.
    Raises:
        LocalStackError: Nothing runs or answers, the API refused, or the file cannot be written.
    """
    if bool(url) != bool(token):
        raise LocalStackError("a deployment takes both: URL=… and TOKEN=…")
    if html and wanted.preset:
        raise LocalStackError("an example has no page: leave HTML away")
    with client_of(instance, url, token) as client:
        show(client, wanted, console)
        if html:
            _save(client, wanted, html)
            _print(console, f"Saved as {html}")


def show(client: httpx.Client, wanted: Wanted, console: Console) -> None:
    """
    The tables; of an example there is nothing but its figures.

    Raises:
        LocalStackError: Nothing answers, or the API refused.
    """
    report = _report(client, "/metrics/roi", wanted.query())
    _print(console, heading(report))
    console.print(figures(report))
    if report["preset"]:
        return
    console.print(lab(_report(client, "/metrics/business", wanted.query())))
    console.print(lines(report["lines"]))
    for row in report["assumptions"]:
        _print(console, f"Assumptions {row['assumptions_id']}, from {row['valid_from']} on: {row['reason']}")


@contextmanager
def client_of(instance: Instance, url: str | None = None, token: str | None = None) -> Iterator[httpx.Client]:
    """
    Somebody signed in at a deployment, or at the stack that runs here.

    Raises:
        LocalStackError: Nothing runs or answers.
    """
    if not (url and token):
        running = stack.running(instance)
        url, token = running.url, users.token(instance, running, "user")
    try:
        with httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=_GATEWAY_TIMEOUT_S, trust_env=False
        ) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LocalStackError(f"{url} does not answer: {error}") from error


def first_day(client: httpx.Client) -> str | None:
    """
    Where everything begins, YYYY-MM-DD; None if there is nothing to report yet.

    Raises:
        LocalStackError: Nothing answers, or the API refused.
    """
    start: str | None = _report(client, "/metrics/roi", {})["period"]["start_date"]
    return start


def _report(client: httpx.Client, path: str, query: dict[str, str]) -> Report:
    answer = _get(client, path, query)
    try:
        report: Report = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
        report["model"]
    except (ValueError, TypeError, KeyError) as error:
        raise LocalStackError(f"{answer.url} is no report; is the URL that of the API?") from error
    return report


def _get(client: httpx.Client, path: str, query: dict[str, str]) -> httpx.Response:
    answer = client.get(path, params=query)
    if answer.status_code != HTTPStatus.OK:
        raise LocalStackError(f"the API answered {answer.status_code}: {_detail(answer)}")
    return answer


def _detail(answer: httpx.Response) -> str:
    """What a problem document says, on one line; what stands there, if it is none."""
    try:
        said = answer.json()
        detail = said.get("detail") or said["message"]
    except (ValueError, KeyError, AttributeError):
        detail = answer.text or answer.reason_phrase
    return " ".join(str(detail).split())[:500]


def _save(client: httpx.Client, wanted: Wanted, file: Path) -> None:
    query = wanted.query()
    if not query:  # then the tables are of everything, and the page would be of the current month
        first = first_day(client)
        query = {"from": first} if first else {}
    page = _get(client, "/metrics/roi.html", query)
    try:
        file.write_bytes(page.content)
    except OSError as error:
        raise LocalStackError(f"{file} cannot be written: {error.strerror}") from error


def _print(console: Console, text: str) -> None:
    """As it is written, whoever wrote it."""
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
