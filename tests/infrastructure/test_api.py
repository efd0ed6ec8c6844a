"""The gateway: what it admits, and what it answers by itself."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from cdk.constructs.api import PROBLEMS
from cdk.routes import ROUTES, Admission
from tests.infrastructure import checks
from tests.infrastructure.template import Template, Templates, only, resources, starting, text

PUBLIC = {
    ("GET", path) for path in ("/health/live", "/health/ready", "/openapi.json", "/docs", "/exports/calendar.ics")
}
SCRAPED = ("GET", "/metrics/prometheus")
FEED = {"HttpMethod": "GET", "ResourcePath": "/~1exports~1calendar.ics"}


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


LOGGED = {
    "requestId": "$context.requestId",
    "ip": "$context.identity.sourceIp",
    "sub": "$context.authorizer.claims.sub",
    "requestTime": "$context.requestTime",
    "httpMethod": "$context.httpMethod",
    "resourcePath": "$context.resourcePath",
    "protocol": "$context.protocol",
    "status": "$context.status",
    "responseType": "$context.error.responseType",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationStatus": "$context.integrationStatus",
    "integrationLatency": "$context.integrationLatency",
    "wafStatus": "$context.waf.status",
    "wafResponseCode": "$context.wafResponseCode",
}
"""Who is a `sub` and an address; no user name, no e-mail address, and no path with what somebody asked for."""


def carelessly_staged(template: Template) -> list[str]:
    """What the stage admits too much of, or says too much or too little of."""
    stage = only(template, "AWS::ApiGateway::Stage")["Properties"]
    settings = stage["MethodSettings"]
    wanted = {
        "name": stage["StageName"] == "prod",
        "traces": stage.get("TracingEnabled") is True,
        "everything": [(each["HttpMethod"], each["ResourcePath"]) for each in settings]
        == [
            ("*", "/*"),
            tuple(FEED.values()),
        ],
        "rate": [each.get("ThrottlingRateLimit") for each in settings] == [100, 20],
        "burst": [each.get("ThrottlingBurstLimit") for each in settings] == [200, 100],
        "bodies": [each.get("DataTraceEnabled") for each in settings] == [False] * 2,
        "faults": [each.get("LoggingLevel") for each in settings] == ["ERROR"] * 2,
        "log": json.loads(stage.get("AccessLogSetting", {}).get("Format", "{}")) == LOGGED,
    }
    return [name for name, held in wanted.items() if not held]


def test_requests_are_traced_throttled_and_logged_without_names(each: Templates) -> None:
    assert carelessly_staged(each.service) == []


def log(stage: dict[str, Any], **fields: str) -> None:
    told = {name: value for name, value in (LOGGED | fields).items() if value}
    stage["AccessLogSetting"]["Format"] = json.dumps(told)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda stage: stage.update(StageName="test"), "name"),
        (lambda stage: stage.pop("TracingEnabled"), "traces"),
        (lambda stage: stage["MethodSettings"][0].update(HttpMethod="GET"), "everything"),
        (lambda stage: stage["MethodSettings"][0].update(ThrottlingRateLimit=10_000), "rate"),
        (lambda stage: stage["MethodSettings"][0].pop("ThrottlingBurstLimit"), "burst"),
        (lambda stage: stage["MethodSettings"][0].update(ThrottlingBurstLimit=5_000), "burst"),
        (lambda stage: stage["MethodSettings"][0].update(DataTraceEnabled=True), "bodies"),
        (lambda stage: stage["MethodSettings"][0].update(LoggingLevel="INFO"), "faults"),
        (lambda stage: stage["MethodSettings"][1].update(LoggingLevel="INFO"), "faults"),
        (lambda stage: stage["MethodSettings"][1].update(DataTraceEnabled=True), "bodies"),
        (lambda stage: stage.pop("AccessLogSetting"), "log"),
        (lambda stage: log(stage, email="$context.authorizer.claims.email"), "log"),
        (lambda stage: log(stage, user="$context.identity.user"), "log"),
        (lambda stage: log(stage, resourcePath="$context.path"), "log"),
        (lambda stage: log(stage, integrationLatency=""), "log"),
        (lambda stage: log(stage, wafResponseCode=""), "log"),
    ],
)
def test_a_careless_stage_would_be_found(aws: Templates, spoil: Callable[[dict[str, Any]], object], found: str) -> None:
    spoilt = aws.planted().service
    spoil(only(spoilt, "AWS::ApiGateway::Stage")["Properties"])

    assert carelessly_staged(spoilt) == [found]


def not_proxied(template: Template) -> list[str]:
    """Methods that hand a function something else than the whole request."""
    return [
        name
        for name, method in resources(template, "AWS::ApiGateway::Method").items()
        for given in [method["Properties"]["Integration"]]
        if (given["Type"], given["IntegrationHttpMethod"]) != ("AWS_PROXY", "POST")
        or not re.search(r"functions/<\w+Function\w{8}\.Arn>/invocations$", text(given["Uri"]))
    ]


def test_every_method_hands_its_function_the_whole_request(aws: Templates) -> None:
    spoilt = aws.planted().service
    method = starting(spoilt, "AWS::ApiGateway::Method", "ApiRestmeGET")["Properties"]
    method["Integration"]["Type"] = "AWS"

    assert not_proxied(aws.service) == []
    assert [name.startswith("ApiRestmeGET") for name in not_proxied(spoilt)] == [True]


def feed_throttle(template: Template) -> tuple[float, float] | None:
    """Requests a second, and at once, of calendar programs together; None if they have the whole API's."""
    for each in only(template, "AWS::ApiGateway::Stage")["Properties"]["MethodSettings"]:
        if each.items() >= FEED.items() and "ThrottlingRateLimit" in each:
            return each["ThrottlingRateLimit"], each["ThrottlingBurstLimit"]
    return None


def test_calendars_have_a_throttle_of_their_own(each: Templates) -> None:
    assert feed_throttle(each.service) == (20, 100)


def test_a_feed_without_a_throttle_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted().service
    settings = only(spoilt, "AWS::ApiGateway::Stage")["Properties"]["MethodSettings"]
    settings[:] = [each for each in settings if each["ResourcePath"] == "/*"]

    assert feed_throttle(spoilt) is None


def test_workbooks_go_out_as_bytes_whatever_is_accepted(each: Templates) -> None:
    assert only(each.service, "AWS::ApiGateway::RestApi")["Properties"]["BinaryMediaTypes"] == ["*/*"]
