"""What looks at requests before the gateway does: AWS's rules against known attacks, and a rate for each address."""

import json
from collections.abc import Sequence

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

WINDOW_S = 300

COMMON, SQL = "AWSManagedRulesCommonRuleSet", "AWSManagedRulesSQLiRuleSet"
MANAGED = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesKnownBadInputsRuleSet",
    COMMON,
    SQL,
)
"""AWS's own groups, none with a price besides a rule's. Not the list of hosting providers: scrapers run there."""

OF_BODIES = {
    COMMON: {
        "EC2MetaDataSSRF_BODY": "core-rule-set:EC2MetaDataSSRF_Body",
        "GenericLFI_BODY": "core-rule-set:GenericLFI_Body",
        "GenericRFI_BODY": "core-rule-set:GenericRFI_Body",
        "CrossSiteScripting_BODY": "core-rule-set:CrossSiteScripting_Body",
    },
    SQL: {
        "SQLi_BODY": "sql-database:SQLi_Body",
        "SQLiExtendedPatterns_BODY": "sql-database:SQLiExtendedPatterns_Body",
    },
}
"""
Rules that look for attacks in bodies, and the label each gives. A file has words of people's, addresses and brackets
in it, and in base64 anything: of it they only count, of any other body a rule of ours blocks what they found.

Source:
    AWS WAF Developer Guide, "AWS Managed Rules rule groups list", and "Label matching" for such exceptions.
"""
COUNTED = {COMMON: ("SizeRestrictions_BODY", *OF_BODIES[COMMON]), SQL: tuple(OF_BODIES[SQL])}
"""Rules that only count: a body may be larger than 8 KB here, too, and the functions say how large."""
FILES = "/imports"
"""How the path ends that takes files."""

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
    groups = [_managed(group, priority) for priority, group in enumerate(MANAGED, start=1)]
    return [rate, *groups, _bodies(len(MANAGED) + 1)]


def _bodies(priority: int) -> Acl.RuleProperty:
    """What the groups found in a body that is no file."""
    labels = [label for labels in OF_BODIES.values() for label in labels.values()]
    found = [
        Acl.StatementProperty(
            label_match_statement=Acl.LabelMatchStatementProperty(scope="LABEL", key=f"awswaf:managed:aws:{label}")
        )
        for label in labels
    ]
    to_files = Acl.StatementProperty(
        byte_match_statement=Acl.ByteMatchStatementProperty(
            field_to_match=Acl.FieldToMatchProperty(uri_path={}),
            positional_constraint="ENDS_WITH",
            search_string=FILES,
            text_transformations=[Acl.TextTransformationProperty(priority=0, type="NONE")],
        )
    )
    elsewhere = Acl.StatementProperty(not_statement=Acl.NotStatementProperty(statement=to_files))
    any_of_them = Acl.StatementProperty(or_statement=Acl.OrStatementProperty(statements=found))
    return Acl.RuleProperty(
        name="Bodies",
        priority=priority,
        statement=Acl.StatementProperty(and_statement=Acl.AndStatementProperty(statements=[any_of_them, elsewhere])),
        action=Acl.RuleActionProperty(block=Acl.BlockActionProperty()),
        visibility_config=_seen("Bodies"),
    )


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
    """A sample of requests has headers and addresses, and would have people's tokens and calendars'."""
    return Acl.DataProtectionConfigProperty(
        data_protections=[
            Acl.DataProtectProperty(
                action="SUBSTITUTION",
                field=Acl.FieldToProtectProperty(field_type="SINGLE_HEADER", field_keys=["authorization"]),
            ),
            Acl.DataProtectProperty(
                action="SUBSTITUTION",
                field=Acl.FieldToProtectProperty(field_type="SINGLE_QUERY_ARGUMENT", field_keys=["token"]),
            ),
        ]
    )
