"""What looks at requests before the gateway does: AWS's rules against known attacks, and a rate for each address."""

import json
from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

WINDOW_S = 300

COMMON = "AWSManagedRulesCommonRuleSet"
MANAGED = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesKnownBadInputsRuleSet",
    COMMON,
    "AWSManagedRulesSQLiRuleSet",
)
"""AWS's own groups, none with a price besides a rule's. Not the list of hosting providers: scrapers run there."""

COUNTED = {COMMON: ("SizeRestrictions_BODY",)}
"""Rules that only count: a body may be larger than 8 KB here, and the functions say how large."""

TOO_MANY = "TooMany"
TOO_MANY_BODY = {
    "type": "urn:dyno-agent:problem:too_many_requests",
    "title": "Too many requests",
    "status": 429,
    "detail": "More requests come from this address than one may send; try again later.",
    "code": "too_many_requests",
    "correlation_id": None,
    "errors": [],
}
RETRY_AFTER_S = 60
"""An address is let in again when its last five minutes are quiet enough; AWS looks every ten seconds or so."""

Acl = wafv2.CfnWebACL


class Firewall(Construct):
    """
    A web ACL in front of a stage: an attack is a 403 `request_filtered`, an address beyond its rate a 429.

    It logs to no bucket: metrics say what each rule did, the access log of which request.

    Args:
        rate_limit: Requests of one address in five minutes; beyond them it is blocked until they are fewer.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: apigateway.Stage, rate_limit: int) -> None:
        super().__init__(scope, construct_id)
        acl = Acl(
            self,
            "Acl",
            scope="REGIONAL",
            default_action=Acl.DefaultActionProperty(allow=Acl.AllowActionProperty()),
            rules=_rules(rate_limit),
            custom_response_bodies={
                TOO_MANY: Acl.CustomResponseBodyProperty(
                    content_type="APPLICATION_JSON", content=json.dumps(TOO_MANY_BODY)
                )
            },
            visibility_config=_seen("Requests"),
            data_protection_config=_without_tokens(),
        )
        wafv2.CfnWebACLAssociation(self, "OfStage", resource_arn=stage.stage_arn, web_acl_arn=acl.attr_arn)


def _rules(rate_limit: int) -> Sequence[Acl.RuleProperty]:
    """The rate first: an address beyond it is not worth another look."""
    rate = Acl.RuleProperty(
        name="PerAddress",
        priority=0,
        statement=Acl.StatementProperty(
            rate_based_statement=Acl.RateBasedStatementProperty(
                aggregate_key_type="IP", limit=rate_limit, evaluation_window_sec=WINDOW_S
            )
        ),
        action=Acl.RuleActionProperty(
            block=Acl.BlockActionProperty(
                custom_response=Acl.CustomResponseProperty(
                    response_code=429,
                    custom_response_body_key=TOO_MANY,
                    response_headers=[Acl.CustomHTTPHeaderProperty(name="Retry-After", value=str(RETRY_AFTER_S))],
                )
            )
        ),
        visibility_config=_seen("PerAddress"),
    )
    return [rate, *(_managed(group, priority) for priority, group in enumerate(MANAGED, start=1))]


def _managed(group: str, priority: int) -> Acl.RuleProperty:
    count = Acl.RuleActionProperty(count=Acl.CountActionProperty())
    overrides = [Acl.RuleActionOverrideProperty(name=rule, action_to_use=count) for rule in COUNTED.get(group, ())]
    return Acl.RuleProperty(
        name=group,
        priority=priority,
        statement=Acl.StatementProperty(
            managed_rule_group_statement=Acl.ManagedRuleGroupStatementProperty(
                vendor_name="AWS", name=group, rule_action_overrides=overrides or None
            )
        ),
        override_action=Acl.OverrideActionProperty(none={}),
        visibility_config=_seen(group),
    )


def _seen(name: str) -> Acl.VisibilityConfigProperty:
    return Acl.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )


def _without_tokens() -> Acl.DataProtectionConfigProperty:
    """A sample of requests has their headers, and would have people's tokens."""
    return Acl.DataProtectionConfigProperty(
        data_protections=[
            Acl.DataProtectProperty(
                action="SUBSTITUTION",
                field=Acl.FieldToProtectProperty(field_type="SINGLE_HEADER", field_keys=["authorization"]),
            )
        ]
    )
