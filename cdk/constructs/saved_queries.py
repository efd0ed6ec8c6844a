"""Questions that are kept for the logs."""

from collections.abc import Iterable, Mapping

from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.monitoring.queries import Log, Query


class SavedQueries(Construct):
    """
    Questions where Logs Insights lists them.

    Args:
        folder: What it lists them under.
        groups: The log groups, by what they hold.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        folder: str,
        queries: Iterable[Query],
        groups: Mapping[Log, logs.ILogGroup],
    ) -> None:
        super().__init__(scope, construct_id)
        for query in queries:
            logs.CfnQueryDefinition(
                self,
                "".join(word.capitalize() for word in query.title.replace(",", "").split()),
                name=f"{folder}/{query.title}",
                query_string=query.text,
                log_group_names=[groups[query.log].log_group_name],
            )
