"""What the gateway logs: each request in a group of its own, and its faults in one that AWS names."""

import json

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.log_group import log_group

_FIELD = apigateway.AccessLogField


def access_log_format(*, firewall: bool) -> apigateway.AccessLogFormat:
    """
    Who asked for what, how it went and where its time went.

    Who: the token's `sub`, as in every record line; no user names and no claims besides, which are e-mail addresses.

    Args:
        firewall: Whether a web ACL looks at requests, so that there is something to say of what it said.
    """
    fields = {
        "requestId": _FIELD.context_request_id(),
        "ip": _FIELD.context_identity_source_ip(),
        "sub": _FIELD.context_authorizer_claims("sub"),
        "requestTime": _FIELD.context_request_time(),
        "httpMethod": _FIELD.context_http_method(),
        "resourcePath": _FIELD.context_resource_path(),
        "protocol": _FIELD.context_protocol(),
        "status": _FIELD.context_status(),
        "responseType": _FIELD.context_error_response_type(),
        "responseLength": _FIELD.context_response_length(),
        "responseLatency": _FIELD.context_response_latency(),
        "integrationStatus": _FIELD.context_integration_status(),
        "integrationLatency": _FIELD.context_integration_latency(),
    }
    seen = {"wafStatus": _FIELD.context_waf_status(), "wafResponseCode": _FIELD.context_waf_response_code()}
    return apigateway.AccessLogFormat.custom(json.dumps(fields | (seen if firewall else {}), separators=(",", ":")))


def execution_log(
    scope: Construct, construct_id: str, *, rest: apigateway.IRestApi, stage: str, days: int
) -> logs.LogGroup:
    """
    The group that the gateway writes its faults to; made by the gateway itself, it would keep them for ever.

    Source:
        API Gateway Developer Guide, "CloudWatch log formats for API Gateway": the name.
    """
    return log_group(scope, construct_id, days=days, name=f"API-Gateway-Execution-Logs_{rest.rest_api_id}/{stage}")
