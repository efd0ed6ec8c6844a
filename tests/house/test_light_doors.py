"""What each door imports as it is opened and by its first request, held to a budget: a cold start is made of it."""

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cdk.stage import ROOT
from dyno.settings import Settings
from tests.benchmarks.fresh import Fresh
from tests.functions.conftest import Caller, claims, gateway_event

HEAVY = {
    "alembic": "migrations",
    "aws_xray_sdk": "a traced request",
    "boto3": "S3, Lambda, the Data API",
    "botocore.session": "comes with boto3; the package itself, next to nothing, comes with Powertools",
    "jinja2": "pages",
    "mako": "comes with alembic",
    "openpyxl": "sheets",
    "opentelemetry": "TRACING=otel",
    "prometheus_client": "the exposition is written by hand",
    "sqlalchemy.orm": "nothing is mapped",
    "urllib3": "comes with boto3",
}
"""What takes tens or hundreds of milliseconds to import, and what it would be for."""


class Budget(NamedTuple):
    """
    Of a door.

    Attributes:
        opened: Modules beyond the standard library's that are there when it is open, at most.
        answered: The same after its first request.
        event: Its first request; None where it takes AWS.
        needs: What it may import of HEAVY.
    """

    opened: int
    answered: int
    event: dict[str, Any] | None
    role: str = ""
    needs: frozenset[str] = frozenset()


def get(path: str) -> dict[str, Any]:
    return gateway_event("GET", path, authorised=claims(Caller.ADMIN))


BOTO3 = frozenset({"boto3", "botocore.session", "urllib3"})
NOTHING_NEW = base64.b64encode(gzip.compress(b'{"messageType": "CONTROL_MESSAGE"}')).decode()
"""What CloudWatch Logs sends to see whether somebody listens; a batch takes S3."""

BUDGETS = {
    "allocations": Budget(395, 395, get("/dynos"), "dyno_allocations"),
    "bootstrap": Budget(65, 65, None),
    "exports": Budget(380, 380, get("/exports/allocations.csv"), "dyno_exports"),
    "import_jobs": Budget(405, 405, None, "dyno_import_jobs"),
    "imports": Budget(405, 405, None, "dyno_imports"),
    "lifecycle": Budget(305, 305, {}, "dyno_lifecycle"),
    "metrics": Budget(385, 385, get("/metrics/performance"), "dyno_metrics"),
    "metrics_ingest": Budget(300, 300, {"awslogs": {"data": NOTHING_NEW}}, "dyno_ingest"),
    "migrate": Budget(290, 290, {}, "dyno_owner", needs=frozenset({"alembic", "mako"})),
    "notices": Budget(280, 280, None, needs=BOTO3),
    "outbox": Budget(275, 275, None, "dyno_notices"),
    "redrive": Budget(300, 300, None, needs=BOTO3),
    "roi": Budget(385, 385, get("/metrics/business"), "dyno_roi"),
}
"""One page for all: a door that grows is seen here."""

SLACK = 20
"""Modules that a budget is over what is used, at most: one that nobody comes near holds nothing."""

WATCH = """
import json, sys
there = set(sys.modules)
def loaded():
    return sorted(name for name in set(sys.modules) - there if name.split(".")[0] not in ours)
ours = sys.stdlib_module_names | {{"__mp_main__"}}
{planted}
from functions.{door}.handler import handler
opened = loaded()
class Context:
    function_name, function_version, memory_limit_in_mb, aws_request_id = "door", "1", 512, "first"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:door"
    get_remaining_time_in_millis = staticmethod(lambda: 20_000)
event = json.loads({event!r})
if event is not None:
    answer = handler(event, Context)
    assert answer.get("statusCode", 200) == 200, answer
print(json.dumps([opened, loaded()]))
"""


@dataclass(frozen=True)
class Seen:
    """The modules of a fresh process, beyond the standard library's: when a door is open, and after a request."""

    opened: frozenset[str]
    answered: frozenset[str]


Watch = Callable[..., Seen]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return Fresh(tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def watch(fresh: Fresh, settings_as: Callable[[str], Settings]) -> Watch:
    """Opens a door in a fresh process, asks it its first request, and says what that imported."""

    def run(door: str, planted: str = "") -> Seen:
        budget = BUDGETS[door]
        known = settings_as(budget.role)
        told = {field.name.upper(): getattr(known, field.name) for field in fields(known)}
        said = fresh.said(
            WATCH.format(door=door, planted=planted, event=json.dumps(budget.event)),
            {name: getattr(value, "key", str(value)) for name, value in told.items()}
            | {"_X_AMZN_TRACE_ID": "Root=1-6922fa11-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0"},
        )
        (counted,) = (line for line in said.splitlines() if line.startswith("[["))
        return Seen(*map(frozenset, json.loads(counted)))

    return run


def heavy(modules: frozenset[str]) -> set[str]:
    return {name for name in HEAVY if any(f"{each}.".startswith(f"{name}.") for each in modules)}


def beyond(seen: Seen, budget: Budget) -> list[str]:
    """What is over a door's budget."""
    findings = [f"{name} as it is opened" for name in sorted(heavy(seen.opened) - budget.needs)]
    findings += [f"{name} at the first request" for name in sorted(heavy(seen.answered) - budget.needs)]
    counts = (("opened", len(seen.opened), budget.opened), ("answered", len(seen.answered), budget.answered))
    return findings + [f"{there} modules {when}, at most {most}" for when, there, most in counts if there > most]


@pytest.mark.parametrize("door", BUDGETS)
def test_a_door_imports_no_more_than_it_may(watch: Watch, door: str) -> None:
    seen, budget = watch(door), BUDGETS[door]

    assert beyond(seen, budget) == []
    assert budget.opened - len(seen.opened) <= SLACK
    assert budget.answered - len(seen.answered) <= SLACK


def test_every_door_has_a_budget() -> None:
    assert set(BUDGETS) == {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}


@pytest.mark.parametrize(
    ("door", "planted", "found"),
    [
        ("allocations", "import boto3", "boto3 as it is opened"),
        ("allocations", "import alembic.command", "alembic as it is opened"),
        ("allocations", "import jinja2", "jinja2 as it is opened"),
        ("metrics", "import sqlalchemy.orm", "sqlalchemy.orm as it is opened"),
        ("lifecycle", "from dyno.metrics import snapshot; snapshot._s3(2)", "boto3 at the first request"),
    ],
)
def test_a_heavier_door_would_be_found(watch: Watch, door: str, planted: str, found: str) -> None:
    findings = beyond(watch(door, planted), BUDGETS[door])

    assert found in findings
    assert any("modules answered" in each for each in findings)


def test_many_light_modules_would_be_found(watch: Watch, tmp_path: Path) -> None:
    package = tmp_path / "light"
    package.mkdir()
    for number in range(SLACK + 1):
        (package / f"m{number}.py").write_text("")
    names = ", ".join(f"light.m{number}" for number in range(SLACK + 1))

    findings = beyond(watch("roi", f"sys.path.append({str(tmp_path)!r}); import {names}"), BUDGETS["roi"])

    assert len(findings) == 2
    assert not any(name in each for each in findings for name in HEAVY)
