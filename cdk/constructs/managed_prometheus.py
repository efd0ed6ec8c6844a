"""Amazon Managed Prometheus, which keeps a copy of the samples for 150 days."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_aps as aps
from aws_cdk import aws_iam as iam
from constructs import Construct


class ManagedPrometheus(Construct):
    """
    A workspace of its own, kept when the stack is deleted.

    Attributes:
        url: Where samples are sent to.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._workspace = aps.CfnWorkspace(self, "Workspace")
        self._workspace.apply_removal_policy(RemovalPolicy.RETAIN)
        self.url = f"{self._workspace.attr_prometheus_endpoint}api/v1/remote_write"

    def grant_write(self, role: iam.Role) -> None:
        """Let a task send samples, and read none."""
        role.add_to_policy(iam.PolicyStatement(actions=["aps:RemoteWrite"], resources=[self._workspace.attr_arn]))
