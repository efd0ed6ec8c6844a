"""What a month may cost, and who hears of it."""

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_sns as sns
from constructs import Construct

SPENT_PERCENTAGE, FORECAST_PERCENTAGE = 80, 100


class Budget(Construct):
    """
    The account's monthly budget: told of before it is used up, and as soon as AWS expects that it will be.

    Of the whole account: a part of it could only be told apart by tags that somebody has switched on in the billing
    console, and until then would cost nothing at all.

    Args:
        usd: A month's.
    """

    def __init__(self, scope: Construct, construct_id: str, *, usd: int, topic: sns.ITopic) -> None:
        super().__init__(scope, construct_id)
        budgets.CfnBudget(
            self,
            "Month",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                _notice("ACTUAL", SPENT_PERCENTAGE, topic),
                _notice("FORECASTED", FORECAST_PERCENTAGE, topic),
            ],
        )


def _notice(kind: str, percentage: int, topic: sns.ITopic) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percentage,
            threshold_type="PERCENTAGE",
        ),
        subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)],
    )
