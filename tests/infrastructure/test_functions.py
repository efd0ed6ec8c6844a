"""Each function: a role of its own that may do exactly its work, in one shared environment."""

import pytest

from cdk.constructs.function import INTERFACE_ACTIONS
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, references, resources, starting, text

FUNCTIONS = {
    "BootstrapFunction": "data",
    "MigrateFunction": "data",
    "Allocations": "service",
    "Metrics": "service",
    "Roi": "service",
    "Ingest": "service",
    "Lifecycle": "service",
    "Redrive": "service",
}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACE = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
NETWORK = set(INTERFACE_ACTIONS)
SEE_SNAPSHOT = {"s3:GetObject", "s3:ListBucket"}

ACTIONS = {
    "BootstrapFunction": LOG | TRACE | {"rds-data:ExecuteStatement", "secretsmanager:GetSecretValue"},
    "MigrateFunction": LOG | TRACE | NETWORK | {"rds-db:connect"},
    "Allocations": LOG | TRACE | NETWORK | {"rds-db:connect"},
    "Metrics": LOG | TRACE | NETWORK | {"rds-db:connect"} | SEE_SNAPSHOT,
    "Roi": LOG | TRACE | NETWORK | {"rds-db:connect"},
    "Ingest": LOG | TRACE | NETWORK | {"rds-db:connect", "s3:PutObject"} | SEE_SNAPSHOT,
    "Lifecycle": LOG | TRACE | NETWORK | {"rds-db:connect"},
    "Redrive": LOG
    | TRACE
    | {
        "s3:ListBucket",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:PutObject",
        "logs:FilterLogEvents",
        "lambda:InvokeFunction",
    },
}
"""What each role may do, and no more."""

OUTSIDE = {"BootstrapFunction", "Redrive"}
"""Of the network."""

DATABASE_USERS = {
    "MigrateFunction": "dyno_owner",
    "Allocations": "dyno_allocations",
    "Metrics": "dyno_metrics",
    "Roi": "dyno_roi",
    "Ingest": "dyno_ingest",
    "Lifecycle": "dyno_lifecycle",
}


def template_of(templates: Templates, prefix: str) -> Template:
    return templates.data if FUNCTIONS[prefix] == "data" else templates.service


def said_of(templates: Templates, prefix: str) -> set[tuple[str, str, str]]:
    template = template_of(templates, prefix)
    (role,) = references(starting(template, "AWS::Lambda::Function", prefix)["Properties"]["Role"])
    return checks.permissions(template)[role]


@pytest.mark.parametrize("prefix", FUNCTIONS)
def test_a_function_may_do_exactly_its_work(each: Templates, prefix: str) -> None:
    allowed = {action for effect, action, _ in said_of(each, prefix) if effect == "Allow"}

    assert allowed == ACTIONS[prefix]


@pytest.mark.parametrize("prefix", FUNCTIONS)
def test_only_actions_that_know_no_resource_are_allowed_on_all(each: Templates, prefix: str) -> None:
    on_all = {action for effect, action, resource in said_of(each, prefix) if (effect, resource) == ("Allow", "*")}

    assert on_all <= TRACE | NETWORK


@pytest.mark.parametrize("prefix", [name for name in FUNCTIONS if name not in OUTSIDE])
def test_a_functions_own_code_may_not_touch_the_network(each: Templates, prefix: str) -> None:
    denied = {action for effect, action, resource in said_of(each, prefix) if (effect, resource) == ("Deny", "*")}

    assert denied == NETWORK


@pytest.mark.parametrize("prefix", DATABASE_USERS)
def test_a_function_logs_in_as_itself_only(each: Templates, prefix: str) -> None:
    function = starting(template_of(each, prefix), "AWS::Lambda::Function", prefix)
    (user,) = {resource for _, action, resource in said_of(each, prefix) if action == "rds-db:connect"}

    assert function["Properties"]["Environment"]["Variables"]["DATABASE_USER"] == DATABASE_USERS[prefix]
    assert user.endswith(f"/{DATABASE_USERS[prefix]}")
    assert "*" not in user


def test_no_two_functions_share_a_role_and_none_has_a_managed_policy(each: Templates) -> None:
    for template in each.all:
        assert checks.shared_roles(template) == []
        for function in resources(template, "AWS::Lambda::Function").values():
            (role,) = references(function["Properties"]["Role"])
            assert "ManagedPolicyArns" not in template["Resources"][role]["Properties"]


def test_a_shared_role_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    metrics = starting(spoilt, "AWS::Lambda::Function", "Metrics")["Properties"]
    starting(spoilt, "AWS::Lambda::Function", "Allocations")["Properties"]["Role"] = metrics["Role"]

    assert len(checks.shared_roles(spoilt)) == 1


def test_one_permission_too_many_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted()
    policy = starting(spoilt.service, "AWS::IAM::Policy", "AllocationsRole")
    extra = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    policy["Properties"]["PolicyDocument"]["Statement"].append(extra)

    assert ("Allow", "s3:GetObject", "*") in said_of(spoilt, "Allocations")


@pytest.mark.parametrize("prefix", FUNCTIONS)
def test_a_function_runs_on_the_layers_it_was_built_for(each: Templates, prefix: str) -> None:
    template = template_of(each, prefix)
    function = starting(template, "AWS::Lambda::Function", prefix)["Properties"]

    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["Handler"] == "handler.handler"
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert [template["Resources"][layer["Ref"]]["Type"] for layer in function["Layers"]] == [
        "AWS::Lambda::LayerVersion"
    ] * 2


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


def test_records_have_one_way_into_ingest_and_its_own_log_is_not_it(each: Templates) -> None:
    filters = [r["Properties"] for t in each.all for r in resources(t, "AWS::Logs::SubscriptionFilter").values()]
    logs = {
        name: starting(each.service, "AWS::Lambda::Function", name)["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        for name in ("Allocations", "Metrics", "Ingest")
    }

    assert [each["FilterPattern"] for each in filters] == ['"dyno-call/1"']
    assert filters[0]["LogGroupName"]["Ref"] == logs["Allocations"] == logs["Metrics"]
    assert logs["Ingest"] != logs["Allocations"]
    (ingest,) = references(filters[0]["DestinationArn"])
    assert ingest.startswith("Ingest")


def test_a_batch_that_fails_is_tried_again_and_then_kept(each: Templates) -> None:
    given = starting(each.service, "AWS::Lambda::EventInvokeConfig", "Pipeline")["Properties"]
    kept = {(action, resource) for _, action, resource in said_of(each, "Ingest") if "FailedBatches" in resource}

    assert given["MaximumRetryAttempts"] == 2
    assert "FailedBatchesBucket" in text(given["DestinationConfig"]["OnFailure"]["Destination"])
    assert {action for action, _ in kept} == {"s3:ListBucket", "s3:PutObject"}
    assert all(resource.endswith("/*") for action, resource in kept if action == "s3:PutObject")


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
