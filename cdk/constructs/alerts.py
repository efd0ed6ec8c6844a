"""Where alarms go: an encrypted topic, and whoever subscribes."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.monitoring.alarms import Rule


class Alerts(Construct):
    """
    The topic that alarms speak to.

    Args:
        email: Is sent what is published, once confirmed by its owner; empty for nobody.
    """

    def __init__(self, scope: Construct, construct_id: str, *, email: str) -> None:
        super().__init__(scope, construct_id)
        # The key that AWS keeps for SNS does not let alarms publish.
        key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.DESTROY)
        key.grant(iam.ServicePrincipal("cloudwatch.amazonaws.com"), "kms:Decrypt", "kms:GenerateDataKey*")
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.topic.grant_publish(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))

    def watch(self, rule: Rule) -> cloudwatch.Alarm:
        """An alarm that tells the topic when it starts and when it is over; no data is no alarm."""
        alarm = cloudwatch.Alarm(
            self,
            rule.name,
            alarm_description=rule.meaning,
            metric=rule.metric,
            threshold=rule.threshold,
            evaluation_periods=rule.periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        action = actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
        return alarm
