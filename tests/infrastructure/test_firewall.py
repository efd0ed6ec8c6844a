"""What looks at requests before the gateway does, and what it must not do; beside each check, faults that it finds."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure.template import Template, Templates, only, resources, text

BLOCKING = {
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesSQLiRuleSet",
}
RATE = {"RateBasedStatement": {"AggregateKeyType": "IP", "EvaluationWindowSec": 300, "Limit": 6000}}
API = "arn:<AWS::Partition>:apigateway:<AWS::Region>::/restapis/<ApiRest4DEC74FE>"
STAGE = f"{API}/stages/<ApiRestDeploymentStageprodE136C09A>"

COMMON, SQL = "AWSManagedRulesCommonRuleSet", "AWSManagedRulesSQLiRuleSet"
OF_BODIES = {
    *(
        (COMMON, f"{name}_BODY", "Count")
        for name in ("EC2MetaDataSSRF", "GenericLFI", "GenericRFI", "CrossSiteScripting")
    ),
    *((SQL, f"{name}_BODY", "Count") for name in ("SQLi", "SQLiExtendedPatterns")),
}
BODIES: Any = (
    {
        f"awswaf:managed:aws:{'sql-database' if group == SQL else 'core-rule-set'}:{name.removesuffix('BODY')}Body"
        for group, name, _ in OF_BODIES
    },
    {"UriPath": {}},
    "ENDS_WITH",
    "/imports",
)
"""What these rules count is blocked by ours, but in a file."""

Properties = dict[str, Any]


def acl(template: Template) -> Properties:
    found: Properties = only(template, "AWS::WAFv2::WebACL")["Properties"]
    return found


def rule(template: Template, name: str) -> Properties:
    (found,) = (each for each in acl(template)["Rules"] if each["Name"] == name)
    wanted: Properties = found
    return wanted


def managed(template: Template, name: str) -> Properties:
    found: Properties = rule(template, name)["Statement"]["ManagedRuleGroupStatement"]
    return found


def lax(template: Template) -> list[str]:
    """What the web ACL in front of the stage lets through, or blocks, that it should not."""
    given = acl(template)
    groups = {
        each["Statement"]["ManagedRuleGroupStatement"]["Name"]
        for each in given["Rules"]
        if each.get("OverrideAction") == {"None": {}}
        and each["Statement"].get("ManagedRuleGroupStatement", {}).get("VendorName") == "AWS"
    }
    overridden = {
        (each["Name"], override["Name"], *override["ActionToUse"])
        for each in given["Rules"]
        for override in each["Statement"].get("ManagedRuleGroupStatement", {}).get("RuleActionOverrides", ())
    }
    scoped = [each for each in given["Rules"] for said in each["Statement"].values() if "ScopeDownStatement" in said]
    rates = [
        each["Statement"] for each in given["Rules"] if "Block" in each.get("Action", {}) and each["Name"] != "Bodies"
    ]
    told = {
        (
            response["ResponseCode"],
            *(header[part] for header in response["ResponseHeaders"] for part in ("Name", "Value")),
            json.loads(given["CustomResponseBodies"][response["CustomResponseBodyKey"]]["Content"])["code"],
        )
        for each in given["Rules"]
        if (response := each.get("Action", {}).get("Block", {}).get("CustomResponse"))
    }
    associated = {
        (text(each["Properties"]["ResourceArn"]), text(each["Properties"]["WebACLArn"]))
        for each in resources(template, "AWS::WAFv2::WebACLAssociation").values()
    }
    wanted = {
        "regional": given["Scope"] == "REGIONAL",
        "others pass": given["DefaultAction"] == {"Allow": {}},
        "groups": groups == BLOCKING and not scoped,
        "bodies over 8 KB pass": overridden == {(COMMON, "SizeRestrictions_BODY", "Count")} | OF_BODIES,
        "files pass, other bodies do not": _bodies(given) == BODIES,
        "a rate for each address": rates == [RATE],
        "too many is a 429": told == {(429, "Retry-After", "60", "too_many_requests")} or not rates,
        "in front of the stage": [(stage, arn) for stage, arn in associated] == [(STAGE, "<FirewallAclD0B8A356.Arn>")],
        "seen": all(each["VisibilityConfig"]["CloudWatchMetricsEnabled"] for each in (given, *given["Rules"])),
        "tokens are not": {
            (each["Action"], *each["Field"].get("FieldKeys", ()))
            for each in given.get("DataProtectionConfig", {}).get("DataProtections", ())
        }
        == {("SUBSTITUTION", "authorization"), ("SUBSTITUTION", "token")},
    }
    return [name for name, held in wanted.items() if not held]


def _bodies(given: Properties) -> Any:
    """By which labels of bodies, and where, a request is blocked behind the groups that give them."""
    found = [each for each in given["Rules"] if each["Name"] == "Bodies" and "Block" in each["Action"]]
    if not found or found[0]["Priority"] <= max(each["Priority"] for each in given["Rules"] if each not in found):
        return None
    any_of, not_to = found[0]["Statement"]["AndStatement"]["Statements"]
    place = not_to["NotStatement"]["Statement"]["ByteMatchStatement"]
    labels = {each["LabelMatchStatement"]["Key"] for each in any_of["OrStatement"]["Statements"]}
    return labels, place["FieldToMatch"], place["PositionalConstraint"], place["SearchString"]


def without_rule(template: Template, name: str) -> None:
    acl(template)["Rules"].remove(rule(template, name))


ELSEWHERE: Properties = {"ByteMatchStatement": {"SearchString": "/imports"}}

FAULTS: dict[str, tuple[Callable[[Template], object], str]] = {
    "of another scope": (lambda t: acl(t).update(Scope="CLOUDFRONT"), "regional"),
    "blocking everybody": (lambda t: acl(t).update(DefaultAction={"Block": {}}), "others pass"),
    "a group less": (lambda t: without_rule(t, "AWSManagedRulesKnownBadInputsRuleSet"), "groups"),
    "a group that only counts": (lambda t: rule(t, SQL).update(OverrideAction={"Count": {}}), "groups"),
    "a group of somebody's": (lambda t: managed(t, SQL).update(VendorName="Somebody"), "groups"),
    "a group for some paths": (lambda t: managed(t, SQL).update(ScopeDownStatement=ELSEWHERE), "groups"),
    "bodies over 8 KB blocked": (lambda t: managed(t, COMMON).pop("RuleActionOverrides"), "bodies over 8 KB pass"),
    "another rule that only counts": (
        lambda t: managed(t, COMMON)["RuleActionOverrides"].append(
            {"Name": "GenericLFI_QUERYARGUMENTS", "ActionToUse": {"Count": {}}}
        ),
        "bodies over 8 KB pass",
    ),
    "files blocked": (lambda t: managed(t, SQL).pop("RuleActionOverrides"), "bodies over 8 KB pass"),
    "no rule for other bodies": (lambda t: without_rule(t, "Bodies"), "files pass, other bodies do not"),
    "another body that passes": (
        lambda t: rule(t, "Bodies")["Statement"]["AndStatement"]["Statements"][1]["NotStatement"]["Statement"][
            "ByteMatchStatement"
        ].update(SearchString="s"),
        "files pass, other bodies do not",
    ),
    "other bodies looked at first": (lambda t: rule(t, "Bodies").update(Priority=0), "files pass, other bodies do not"),
    "no rate": (lambda t: without_rule(t, "PerAddress"), "a rate for each address"),
    "a rate that only counts": (
        lambda t: rule(t, "PerAddress").update(Action={"Count": {}}),
        "a rate for each address",
    ),
    "a rate that says nothing": (
        lambda t: rule(t, "PerAddress").update(Action={"Block": {}}),
        "too many is a 429",
    ),
    "a rate of all together": (
        lambda t: rule(t, "PerAddress")["Statement"]["RateBasedStatement"].update(AggregateKeyType="CONSTANT"),
        "a rate for each address",
    ),
    "in front of nothing": (
        lambda t: t["Resources"].pop("FirewallOfStage16B73015"),
        "in front of the stage",
    ),
    "in front of another stage": (
        lambda t: only(t, "AWS::WAFv2::WebACLAssociation")["Properties"].update(ResourceArn="arn:aws:another"),
        "in front of the stage",
    ),
    "unseen": (lambda t: rule(t, SQL)["VisibilityConfig"].update(CloudWatchMetricsEnabled=False), "seen"),
    "with tokens": (lambda t: acl(t).pop("DataProtectionConfig"), "tokens are not"),
}


def test_attacks_are_blocked_before_the_gateway_and_nobody_else_is(each: Templates) -> None:
    assert lax(each.service) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_it_would_be_found(aws: Templates, fault: str) -> None:
    spoilt = aws.planted().service
    spoil, found = FAULTS[fault]
    spoil(spoilt)

    assert lax(spoilt) == [found]


def test_how_much_an_address_may_ask_is_a_choice(deployment: Callable[..., Templates]) -> None:
    template = deployment(waf_rate_limit="500").service

    assert rule(template, "PerAddress")["Statement"]["RateBasedStatement"]["Limit"] == 500


def test_there_is_none_where_none_was_chosen(deployment: Callable[..., Templates]) -> None:
    template = deployment(waf="off").service

    assert not [r["Type"] for r in template["Resources"].values() if r["Type"].startswith("AWS::WAFv2::")]
    assert "waf" not in only(template, "AWS::ApiGateway::Stage")["Properties"]["AccessLogSetting"]["Format"]
