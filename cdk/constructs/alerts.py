"""Where alarms go: an encrypted topic, and whoever subscribes."""

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import Annotations, Aws, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.monitoring.alarms import Rule, incidents
from cdk.monitoring.runbook import is_address, link

URGENT = "Urgent"
"""What the alarm that combines the urgent ones is called."""

SPEAKERS = ("cloudwatch.amazonaws.com", "budgets.amazonaws.com")
"""Services that tell the topic something."""


class Alerts(Construct):
    """
    The topic that alarms speak to.

    An urgent alarm says nothing itself: the one that combines them all does, so that who is called is called once.

    Args:
        email: Is sent what is published, once confirmed by its owner; empty for nobody.
        runbook: Where docs/runbook.md is read.
    """

    def __init__(self, scope: Construct, construct_id: str, *, email: str, runbook: str) -> None:
        super().__init__(scope, construct_id)
        self._runbook = runbook
        # The key that AWS keeps for SNS does not let these services publish.
        key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.DESTROY)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        for name in SPEAKERS:
            key.grant(iam.ServicePrincipal(name), "kms:Decrypt", "kms:GenerateDataKey*")
            ours = iam.ServicePrincipal(name, conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}})
            self.topic.grant_publish(ours)
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
            self._mind_links(runbook)

    def watch(
        self, rules: Sequence[Rule], series: Callable[[Rule], cloudwatch.IMetric], *, deployment: str
    ) -> list[cloudwatch.IAlarm]:
        """
        An alarm for each rule, that tells the topic when it starts; no data is no alarm.

        Args:
            deployment: What their names begin with, so that a mail's subject says whose and which it is.
        Returns:
            The one that combines the urgent ones first.
        """
        urgent = f"{deployment}-{URGENT}"
        alarms = {rule.name: self._alarm(rule, series(rule), deployment) for rule in rules}
        self._combine(rules, alarms, urgent)
        # By its name and not by reference, which a stack without it could not resolve.
        arn = Stack.of(self).format_arn(service="cloudwatch", resource=f"alarm:{urgent}")
        return [cloudwatch.Alarm.from_alarm_arn(self, "Combined", arn), *alarms.values()]

    def _mind_links(self, runbook: str) -> None:
        if not is_address(runbook):
            Annotations.of(self).add_warning_v2(
                "dyno:runbook",
                f"alarms are mailed, and link to {runbook}, which is no address: -c runbook=https://… makes it one",
            )

    def _alarm(self, rule: Rule, metric: cloudwatch.IMetric, deployment: str) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            rule.name,
            alarm_name=f"{deployment}-{rule.name}",
            alarm_description=f"{rule.says} {link(self._runbook, rule.section)}",
            metric=metric,
            threshold=rule.threshold,
            evaluation_periods=rule.periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if not rule.incident:
            self._tell(alarm, ends=rule.periods > 1)
        return alarm

    def _combine(self, rules: Sequence[Rule], alarms: Mapping[str, cloudwatch.IAlarm], name: str) -> None:
        on = cloudwatch.AlarmState.ALARM
        parts = [
            cloudwatch.AlarmRule.all_of(*(cloudwatch.AlarmRule.from_alarm(alarms[rule.name], on) for rule in together))
            for together in incidents(rules).values()
        ]
        urgent = cloudwatch.CompositeAlarm(
            self,
            "Urgent",
            composite_alarm_name=name,
            alarm_description=f"People are hurt by it now. {link(self._runbook, 'Somebody is needed')}",
            alarm_rule=cloudwatch.AlarmRule.any_of(*parts),
        )
        self._tell(urgent, ends=True)

    def _tell(self, alarm: cloudwatch.AlarmBase, *, ends: bool) -> None:
        """
        Have it tell when it starts; and when it is over, if it is of what lasts.

        Each alarm that is made is over at once, and would send as many notices as there are.
        """
        action = actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        if ends:
            alarm.add_ok_action(action)
