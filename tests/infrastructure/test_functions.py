"""Each function: a role and a database user of its own, in one shared environment."""

import pytest

from dyno.database import BELL
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, references, resources, starting, text

FUNCTIONS = {
    "BootstrapFunction": "data",
    "MigrateFunction": "data",
    "Allocations": "service",
    "Metrics": "service",
    "Roi": "service",
    "Exports": "service",
    "Ingest": "service",
    "Lifecycle": "service",
    "Redrive": "service",
    "Outbox": "service",
    "Notices": "service",
}

WITH_SHEETS = {"Exports"}
"""Functions with the layer of packages for spreadsheets and calendars besides."""

DATABASE_USERS = {
    "MigrateFunction": "dyno_owner",
    "Allocations": "dyno_allocations",
    "Metrics": "dyno_metrics",
    "Roi": "dyno_roi",
    "Exports": "dyno_exports",
    "Ingest": "dyno_ingest",
    "Lifecycle": "dyno_lifecycle",
    "Outbox": "dyno_notices",
}


def template_of(templates: Templates, prefix: str) -> Template:
    return templates.data if FUNCTIONS[prefix] == "data" else templates.service


def test_no_two_functions_share_a_role(each: Templates) -> None:
    assert [checks.shared_roles(template) for template in each.all] == [[], [], []]


def test_a_shared_role_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    metrics = starting(spoilt, "AWS::Lambda::Function", "Metrics")["Properties"]
    starting(spoilt, "AWS::Lambda::Function", "Allocations")["Properties"]["Role"] = metrics["Role"]

    assert len(checks.shared_roles(spoilt)) == 1


@pytest.mark.parametrize("prefix", FUNCTIONS)
def test_a_function_runs_on_the_layers_it_was_built_for(each: Templates, prefix: str) -> None:
    template = template_of(each, prefix)
    function = starting(template, "AWS::Lambda::Function", prefix)["Properties"]

    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["Handler"] == "handler.handler"
    assert text(function["Role"]).startswith(f"<{prefix}")
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert [template["Resources"][layer["Ref"]]["Type"] for layer in function["Layers"]] == [
        "AWS::Lambda::LayerVersion"
    ] * (3 if prefix in WITH_SHEETS else 2)


def test_every_function_is_told_the_strategy_and_how_to_reach_the_database(each: Templates, strategy: str) -> None:
    for prefix, user in DATABASE_USERS.items():
        told = starting(template_of(each, prefix), "AWS::Lambda::Function", prefix)["Properties"]["Environment"][
            "Variables"
        ]
        assert told["DATABASE_USER"] == user
        assert told["METRICS_STRATEGY"] == strategy
        assert told["METRICS_NAMESPACE"] == "DynoAgent/Production"
        assert told["DATABASE_AUTH"] == "iam"
        assert told["DATABASE_CA_FILE"] == "/opt/python/certificates/rds.pem"
        assert "Endpoint" in text(told["DATABASE_HOST"])
        assert text(told["USER_POOL_ISSUER"]).startswith("https://cognito-idp.<AWS::Region>.amazonaws.com/")


def test_the_environment_is_all_that_the_settings_read(aws: Templates) -> None:
    from dyno.settings import Settings  # noqa: PLC0415  the service's own page, against which this is checked

    told = starting(aws.service, "AWS::Lambda::Function", "Allocations")["Properties"]["Environment"]["Variables"]
    read = {name.upper() for name in Settings.__dataclass_fields__}

    assert set(told) == read - {"AWS_REGION"} | {"POWERTOOLS_LOG_LEVEL", "TRACING", "METRICS_SERIES_BUDGET"}


def test_reserved_concurrency_is_off_unless_it_is_asked_for(aws: Templates, deployment: object) -> None:
    for function in resources(aws.service, "AWS::Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function["Properties"]


def test_records_have_one_way_into_ingest_and_the_bell_one_to_who_carries_notices(each: Templates) -> None:
    filters = [r["Properties"] for t in each.all for r in resources(t, "AWS::Logs::SubscriptionFilter").values()]
    logs = {
        name: starting(each.service, "AWS::Lambda::Function", name)["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        for name in ("Allocations", "Metrics", "Ingest", "Notices", "Outbox")
    }
    leads = {given["FilterPattern"]: next(references(given["DestinationArn"])) for given in filters}

    assert leads.keys() == {'"dyno-call/1"', f'"{BELL}"'}
    assert {given["LogGroupName"]["Ref"] for given in filters} == {logs["Allocations"]} == {logs["Metrics"]}
    assert logs["Allocations"] not in {logs["Ingest"], logs["Notices"], logs["Outbox"]}
    assert leads['"dyno-call/1"'].startswith("Ingest")
    assert leads[f'"{BELL}"'].startswith("Notices")


def test_a_batch_that_fails_is_tried_again_and_then_kept(each: Templates) -> None:
    given = starting(each.service, "AWS::Lambda::EventInvokeConfig", "Pipeline")["Properties"]

    assert given["MaximumRetryAttempts"] == 2
    assert "FailedBatchesBucket" in text(given["DestinationConfig"]["OnFailure"]["Destination"])


def run_again(template: Template) -> set[str]:
    """Functions that CloudFormation calls and Lambda would run again after an error."""
    called = {name for r in template["Resources"].values() for name in references(r["Properties"].get("ServiceToken"))}
    once = {
        name
        for config in resources(template, "AWS::Lambda::EventInvokeConfig").values()
        if config["Properties"].get("MaximumRetryAttempts") == 0
        for name in references(config["Properties"]["FunctionName"])
    }
    return called - once


def test_what_a_deployment_does_is_not_done_again_after_it_failed(aws: Templates) -> None:
    spoilt = aws.planted().data
    starting(spoilt, "AWS::Lambda::EventInvokeConfig", "Migrate")["Properties"]["MaximumRetryAttempts"] = 1

    assert run_again(aws.data) == set()
    assert [name.startswith("Migrate") for name in run_again(spoilt)] == [True]
