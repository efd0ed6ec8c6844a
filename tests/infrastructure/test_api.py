"""The gateway: what it admits, and what it answers by itself."""

import json

import pytest

from cdk.constructs.api import PROBLEMS
from cdk.routes import ROUTES, Admission
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, resources, starting

PUBLIC = {("GET", path) for path in ("/health/live", "/health/ready", "/openapi.json", "/docs")}
SCRAPED = ("GET", "/metrics/prometheus")


def unguarded(template: Template) -> list[tuple[str, str]]:
    """Methods that do not ask for the token they should ask for."""
    findings = []
    for route, (kind, scopes) in checks.routes(template).items():
        expected = "NONE" if route in PUBLIC else "COGNITO_USER_POOLS"
        scoped = len(scopes) == 1 and scopes[0].endswith("/read")
        if kind != expected or scoped != (route == SCRAPED) or (scopes and not scoped):
            findings.append(route)
    return findings


def test_the_gateway_has_the_routes_of_the_table_and_no_others(each: Templates) -> None:
    assert set(checks.routes(each.service)) == {(route.method, route.path) for route in ROUTES}
    assert {(r.method, r.path) for r in ROUTES if r.admission is Admission.PUBLIC} == PUBLIC


def test_every_method_asks_for_the_right_token(each: Templates) -> None:
    assert unguarded(each.service) == []


@pytest.mark.parametrize(
    ("prefix", "properties"),
    [
        ("ApiRestmeGET", {"AuthorizationType": "NONE"}),
        ("ApiResthealthlive", {"AuthorizationType": "COGNITO_USER_POOLS"}),
        ("ApiRestmetricsprometheus", {"AuthorizationScopes": []}),
        ("ApiRestdynosGET", {"AuthorizationScopes": ["metrics/read"]}),
    ],
)
def test_a_wrong_token_asked_for_would_be_found(aws: Templates, prefix: str, properties: dict[str, object]) -> None:
    spoilt = aws.planted().service
    starting(spoilt, "AWS::ApiGateway::Method", prefix)["Properties"] |= properties

    assert len(unguarded(spoilt)) == 1


def test_a_method_without_its_authorizer_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    del starting(spoilt, "AWS::ApiGateway::Method", "ApiRestmeGET")["Properties"]["AuthorizerId"]

    assert unguarded(spoilt) == [("GET", "/me")]


def test_the_gateways_own_refusals_are_problems(each: Templates) -> None:
    for response in resources(each.service, "AWS::ApiGateway::GatewayResponse").values():
        given = response["Properties"]
        body = json.loads(given["ResponseTemplates"]["application/json"])
        headers = given["ResponseParameters"]
        assert set(body) == {"type", "title", "status", "detail", "code", "correlation_id", "errors"}
        assert str(body["status"]) == given["StatusCode"]
        assert body["type"] == f"urn:dyno-agent:problem:{body['code']}"
        assert body["correlation_id"] == "$context.requestId"
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert headers["gatewayresponse.header.X-Correlation-Id"] == "context.requestId"
        assert ("gatewayresponse.header.Retry-After" in headers) == (given["StatusCode"] == "429")


@pytest.mark.parametrize(
    ("type_", "status", "code"),
    [
        ("MISSING_AUTHENTICATION_TOKEN", 404, "route_not_found"),
        ("UNAUTHORIZED", 401, "unauthorized"),
        ("EXPIRED_TOKEN", 401, "token_expired"),
        ("ACCESS_DENIED", 403, "forbidden"),
        ("REQUEST_TOO_LARGE", 413, "request_too_large"),
        ("THROTTLED", 429, "too_many_requests"),
        ("INTEGRATION_FAILURE", 502, "bad_gateway"),
        ("INTEGRATION_TIMEOUT", 504, "gateway_timeout"),
    ],
)
def test_a_refusal_has_its_status_and_code(type_: str, status: int, code: str) -> None:
    assert (PROBLEMS[type_].status, PROBLEMS[type_].code) == (status, code)


def test_requests_are_traced_throttled_and_logged_without_names(each: Templates) -> None:
    stage = only(each.service, "AWS::ApiGateway::Stage")["Properties"]
    (settings,) = stage["MethodSettings"]

    assert stage["StageName"] == "prod"
    assert stage["TracingEnabled"]
    assert settings["ThrottlingRateLimit"] == 100
    assert not settings["DataTraceEnabled"]
    assert "identity.user" not in stage["AccessLogSetting"]["Format"].replace("identity.userAgent", "")


def test_a_function_is_permitted_once_however_many_methods_it_has(each: Templates) -> None:
    given = [
        permission["Properties"]["FunctionName"]["Fn::GetAtt"][0]
        for permission in resources(each.service, "AWS::Lambda::Permission").values()
    ]

    assert len(given) == len(set(given))
