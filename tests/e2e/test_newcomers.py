"""A service nobody here has seen, measured by one line."""

import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cdk.local import aws
from tests.e2e.site import SHOWS_S, Site, eventually

SOURCE = """
import asyncio

from dyno.metrics import track_performance


@track_performance
def {sync}(price):
    return {{"success": True, "price": price}}


class {service}:
    @track_performance
    async def {coroutine}(self, fails):
        await asyncio.sleep(0.01)
        if fails:
            raise RuntimeError("somebody@example.com broke it")


@track_performance
def handler(event, context):
    {sync}(42)
    return asyncio.run(both(event.get("fails")))


async def both(fails):
    found = await asyncio.gather({service}().{coroutine}(False), {service}().{coroutine}(fails), return_exceptions=True)
    return [repr(each) for each in found]
"""


@dataclass(frozen=True)
class Newcomer:
    """Names that were made up a moment ago."""

    module: str
    sync: str
    service: str
    coroutine: str

    @property
    def methods(self) -> dict[tuple[str, str], int]:
        """How often an invocation calls each."""
        return {(self.module, "handler"): 1, (self.module, self.sync): 1, (self.service, self.coroutine): 2}


@pytest.fixture(scope="module")
def newcomer() -> Newcomer:
    made_up = uuid.uuid4().hex[:8]
    return Newcomer(f"shop_{made_up}", f"bill_{made_up}", f"Courier{made_up.title()}", f"deliver_{made_up}")


@pytest.fixture(scope="module")
def function(site: Site, newcomer: Newcomer) -> Iterator[str]:
    """The newcomer, deployed as another app would: by the outputs of the service stack."""
    outputs = {name: value for stack in site.instance.read("outputs.json").values() for name, value in stack.items()}
    functions = aws.client("lambda", site.deployed.aws_port)
    functions.create_function(
        FunctionName=newcomer.module,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{aws.ACCOUNT}:role/newcomer",
        Handler=f"{newcomer.module}.handler",
        Code={"ZipFile": package(newcomer)},
        Layers=[outputs["DependencyLayerArn"], outputs["DynoLayerArn"]],
        LoggingConfig={"LogGroup": outputs["CallLogGroupName"]},
        Environment={"Variables": {"METRICS_STRATEGY": "hybrid"}},
        Timeout=20,
    )
    yield newcomer.module
    functions.delete_function(FunctionName=newcomer.module)


def package(newcomer: Newcomer) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        names = {"sync": newcomer.sync, "service": newcomer.service, "coroutine": newcomer.coroutine}
        archive.writestr(f"{newcomer.module}.py", SOURCE.format(**names))
    return content.getvalue()


def invoke(site: Site, function: str, correlation_id: str, **event: Any) -> list[str]:
    # As a gateway hands it over: the local AWS drops a client context.
    payload = event | {"headers": {"X-Correlation-Id": correlation_id}}
    answer = aws.client("lambda", site.deployed.aws_port).invoke(FunctionName=function, Payload=json.dumps(payload))
    said = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, said
    assert isinstance(said, list)
    return said


@pytest.fixture(scope="module")
def known_by(site: Site, function: str) -> str:
    """Two invocations under one correlation id, one of which breaks a little."""
    known_by = f"newcomer-{uuid.uuid4()}"
    assert invoke(site, function, known_by) == ["None", "None"]
    assert "RuntimeError" in invoke(site, function, known_by, fails=True)[1]
    eventually(lambda: site.rows_of(known_by), lambda rows: rows == 8, SHOWS_S)
    return known_by


def test_its_calls_are_rows_of_the_table(site: Site, newcomer: Newcomer, known_by: str) -> None:
    rows = site.sql(
        "select service_name, method_name, outcome, count(*) from metrics where correlation_id = :id group by 1, 2, 3"
        " order by 1, 2, 3",
        id=known_by,
    )

    assert sorted(map(tuple, rows)) == sorted(
        [
            (newcomer.module, "handler", "success", 2),
            (newcomer.module, newcomer.sync, "success", 2),
            (newcomer.service, newcomer.coroutine, "success", 3),
            (newcomer.service, newcomer.coroutine, "error", 1),
        ]
    )
    [[message]] = site.sql(
        "select error_message from metrics where correlation_id = :id and outcome = 'error'", id=known_by
    )
    assert message == "[email] broke it"


def test_its_calls_are_in_the_report(newcomer: Newcomer, known_by: str, user: httpx.Client) -> None:
    found = {
        (each["service"], each["method"]): each["total_calls"]
        for each in user.get("/metrics/performance").json()["stats"]
    }

    assert {method: found.get(method) for method in newcomer.methods} == {
        method: 2 * calls for method, calls in newcomer.methods.items()
    }


def test_its_calls_are_in_the_exposition(newcomer: Newcomer, known_by: str, nobody: httpx.Client) -> None:
    lines = nobody.get("/metrics/prometheus").text.splitlines()

    name = f'service="{newcomer.service}",method="{newcomer.coroutine}"'
    assert f'dyno_calls_total{{{name},outcome="success"}} 3' in lines
    assert f'dyno_calls_total{{{name},outcome="error"}} 1' in lines
    assert f"dyno_call_duration_seconds_count{{{name}}} 4" in lines


def test_its_calls_are_a_tree(newcomer: Newcomer, known_by: str, user: httpx.Client) -> None:
    tree = user.get("/metrics/calls", params={"correlation_id": known_by}).json()

    for invocation in tree["calls"]:
        assert invocation["method"] == "handler"
        within = sorted((call["service"], call["method"]) for call in invocation["calls"])
        assert within == sorted([(newcomer.module, newcomer.sync), *[(newcomer.service, newcomer.coroutine)] * 2])
    assert len(tree["calls"]) == 2
