"""The REST API: the table of routes, tokens checked at the gateway, every refusal of its own problem+json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Tags
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.constructs.access_log import access_log_format, execution_log
from cdk.constructs.identity import Identity
from cdk.constructs.log_group import log_group
from cdk.constructs.nag import accept
from cdk.options import Options, Tracing
from cdk.routes import ROUTES, Admission, Route

STAGE = "prod"
ANYTHING = "*/*"
"""
Answers that functions hand over in base64, as workbooks, go out as bytes, whatever the caller accepts.

Source:
    API Gateway Developer Guide, "Return binary media from a Lambda proxy integration": of Accept only the first type is
    looked at, and browsers and curl name others. Bodies of requests come in base64 with it, too; the door reads either.
"""
FEED = "/exports/calendar.ics"
FEED_REASON = (
    "Calendar programs send no headers: the function looks for a token of 256 bits in the address, and the route has a "
    "throttle of its own."
)
PROBE_REASON = "Probes and readers of the API's description have no token; it opens no connection and is throttled."
FEED_RATE, FEED_BURST = 20, 100
"""Of all calendar programs together; a lab has some hundred, and each asks a few times an hour."""


@dataclass(frozen=True)
class Problem:
    """What the gateway itself answers, without a function."""

    status: int
    code: str
    title: str
    detail: str
    retry_after_s: int | None = None


PROBLEMS = {
    "ACCESS_DENIED": Problem(403, "forbidden", "Forbidden", "The token does not allow this."),
    "API_CONFIGURATION_ERROR": Problem(500, "gateway_error", "Gateway error", "The gateway is set up wrongly."),
    "AUTHORIZER_CONFIGURATION_ERROR": Problem(
        500, "gateway_error", "Gateway error", "The authorizer is set up wrongly."
    ),
    "AUTHORIZER_FAILURE": Problem(500, "gateway_error", "Gateway error", "The token could not be checked."),
    "BAD_REQUEST_BODY": Problem(400, "bad_request", "Bad request", "The body cannot be read."),
    "BAD_REQUEST_PARAMETERS": Problem(400, "bad_request", "Bad request", "A parameter cannot be read."),
    "DEFAULT_4XX": Problem(400, "bad_request", "Bad request", "The gateway refused the request."),
    "DEFAULT_5XX": Problem(500, "gateway_error", "Gateway error", "The service did not answer as it should."),
    "EXPIRED_TOKEN": Problem(401, "token_expired", "Token expired", "The token has expired; fetch a new one."),
    "INTEGRATION_FAILURE": Problem(502, "bad_gateway", "Bad gateway", "The service could not be called."),
    "INTEGRATION_TIMEOUT": Problem(504, "gateway_timeout", "Gateway timeout", "The service did not answer in time."),
    "INVALID_API_KEY": Problem(403, "forbidden", "Forbidden", "The API key is not known."),
    "INVALID_SIGNATURE": Problem(403, "forbidden", "Forbidden", "The signature is not valid."),
    "MISSING_AUTHENTICATION_TOKEN": Problem(404, "route_not_found", "Not found", "There is no such route."),
    "QUOTA_EXCEEDED": Problem(429, "quota_exceeded", "Too many requests", "The quota is used up.", 60),
    "REQUEST_TOO_LARGE": Problem(
        413, "request_too_large", "Request too large", "The body is larger than any request may be."
    ),
    "RESOURCE_NOT_FOUND": Problem(404, "route_not_found", "Not found", "There is no such route."),
    "THROTTLED": Problem(429, "too_many_requests", "Too many requests", "The service is busy; try again.", 1),
    "UNAUTHORIZED": Problem(401, "unauthorized", "Unauthorized", "A valid token is needed."),
    "UNSUPPORTED_MEDIA_TYPE": Problem(
        415, "unsupported_media_type", "Unsupported media type", "Send application/json."
    ),
    "WAF_FILTERED": Problem(
        403, "request_filtered", "Request filtered", "The request looks like an attack; send it in other words."
    ),
}


class Api(Construct):
    """
    The gateway in front of the functions.

    Args:
        functions: By the name the table of routes uses.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Mapping[str, lambda_.IFunction],
        identity: Identity,
        options: Options,
        tags: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.rest = apigateway.RestApi(
            self,
            "Rest",
            rest_api_name=options.name,
            description="Books vehicles onto chassis dynamometers",
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            cloud_watch_role=options.access_logs,
            binary_media_types=[ANYTHING],
            deploy_options=self._stage_options(options),
        )
        if options.access_logs:
            # Before the stage, or the gateway makes it, to be kept for ever.
            self.rest.deployment_stage.node.add_dependency(
                execution_log(self, "Faults", rest=self.rest, stage=STAGE, days=options.log_retention_days)
            )
        # The library's own output says the same as ApiUrl.
        self.rest.node.try_remove_child("Endpoint")
        for key, value in tags.items():
            Tags.of(self.rest).add(key, value)
        self._problems()
        self._authorizer = apigateway.CognitoUserPoolsAuthorizer(
            self,
            "Authorizer",
            cognito_user_pools=[identity.pool],
            identity_source=apigateway.IdentitySource.header("Authorization"),
        )
        self._scrape_scope = identity.scrape_scope.scope_name
        integrations = {name: self._integration(function) for name, function in functions.items()}
        for route in ROUTES:
            self._add(route, integrations[route.function])
        self._accept(options)

    def _stage_options(self, options: Options) -> apigateway.StageOptions:
        log = log_group(self, "AccessLog", days=options.log_retention_days) if options.access_logs else None
        return apigateway.StageOptions(
            stage_name=STAGE,
            tracing_enabled=options.tracing is not Tracing.OFF,
            throttling_rate_limit=options.throttle_rate,
            throttling_burst_limit=options.throttle_burst,
            method_options={
                f"{FEED}/GET": apigateway.MethodDeploymentOptions(
                    throttling_rate_limit=FEED_RATE,
                    throttling_burst_limit=FEED_BURST,
                    # What a route has of its own replaces all of the stage's; of more than faults, addresses are part.
                    logging_level=apigateway.MethodLoggingLevel.ERROR if log else None,
                    data_trace_enabled=False,
                )
            },
            access_log_destination=apigateway.LogGroupLogDestination(log) if log else None,
            access_log_format=access_log_format(firewall=options.waf) if log else None,
            logging_level=apigateway.MethodLoggingLevel.ERROR if log else None,
            data_trace_enabled=False,
        )

    def _integration(self, function: lambda_.IFunction) -> apigateway.AwsIntegration:
        """
        One permission a function, for this stage: two a method overflow Lambda's 20,480 bytes of policy at some 36
        methods, and the one of the library's own LambdaIntegration is for any stage there may ever be.
        """
        function.add_permission(
            "Gateway",
            principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
            source_arn=self.rest.arn_for_execute_api(stage=STAGE),
        )
        return apigateway.AwsIntegration(
            service="lambda", proxy=True, path=f"2015-03-31/functions/{function.function_arn}/invocations"
        )

    def _problems(self) -> None:
        for name, problem in PROBLEMS.items():
            self.rest.add_gateway_response(
                name,
                type=apigateway.ResponseType.of(name),
                status_code=str(problem.status),
                response_headers=_headers(problem),
                templates={"application/json": _body(problem)},
            )

    def _add(self, route: Route, integration: apigateway.Integration) -> None:
        public = route.admission is Admission.PUBLIC
        method = self.rest.root.resource_for_path(route.path).add_method(
            route.method,
            integration,
            authorization_type=apigateway.AuthorizationType.NONE if public else apigateway.AuthorizationType.COGNITO,
            authorizer=None if public else self._authorizer,
            # With a scope the gateway takes access tokens, without one ID tokens.
            authorization_scopes=[self._scrape_scope] if route.admission is Admission.SCRAPER else None,
        )
        if public:
            reason = FEED_REASON if route.path == FEED else PROBE_REASON
            accept(method, dict.fromkeys(("AwsSolutions-APIG4", "AwsSolutions-COG4", "CKV_AWS_59"), reason))

    def _accept(self, options: Options) -> None:
        stage = self.rest.deployment_stage
        if role := self.rest.node.try_find_child("CloudWatchRole"):
            policy = "Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
            accept(
                role, {f"AwsSolutions-IAM4[{policy}]": "What API Gateway's guide asks of the account's role for logs."}
            )
        if not options.access_logs:
            reason = "This deployment chose -c access_logs=off: the log's role is the whole account's in the region."
            accept(stage, dict.fromkeys(("AwsSolutions-APIG1", "AwsSolutions-APIG6", "CKV_AWS_76"), reason))
        if options.tracing is Tracing.OFF:
            accept(stage, {"CKV_AWS_73": "This deployment chose -c tracing=off."})
        if not options.waf:
            accept(
                stage,
                {
                    "AwsSolutions-APIG3": "This deployment chose -c waf=off: every route but probes and the API's "
                    "description asks for a token, and the stage is throttled.",
                },
            )
        accept(stage, {"CKV_AWS_120": "An answer is of now and of who asks: none may be another's, or an hour old."})
        accept(
            self.rest,
            {
                "AwsSolutions-APIG2": "The functions check every body and parameter and name each fault; the gateway's "
                "validator would only say that there is one.",
            },
        )


def _headers(problem: Problem) -> dict[str, str]:
    headers = {"Content-Type": "'application/problem+json'", "X-Correlation-Id": "context.requestId"}
    return headers | ({"Retry-After": f"'{problem.retry_after_s}'"} if problem.retry_after_s else {})


def _body(problem: Problem) -> str:
    return json.dumps(
        {
            "type": f"urn:dyno-agent:problem:{problem.code}",
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            "code": problem.code,
            "correlation_id": "$context.requestId",
            "errors": [],
        }
    )
