"""What the monitoring task reads, as one object in the bucket of the CDK's assets."""

import tempfile
from pathlib import Path

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from cdk.monitoring.prometheus import content


class Content(Construct):
    """
    Configuration, rules, dashboards and scripts, named by their hash: a change of any is a new task.

    Args:
        runbook: Where docs/runbook.md is read.
        remote_write: Whether a copy of the samples goes to Amazon Managed Prometheus.
    """

    def __init__(self, scope: Construct, construct_id: str, *, runbook: str, remote_write: bool) -> None:
        super().__init__(scope, construct_id)
        with tempfile.TemporaryDirectory() as folder:
            script = content.write(Path(folder), runbook=runbook, remote_write=remote_write)
            self._asset = assets.Asset(self, "Script", path=str(script))

    @property
    def variables(self) -> dict[str, str]:
        """Where it is, for the container that fetches it."""
        return {"CONTENT_BUCKET": self._asset.s3_bucket_name, "CONTENT_KEY": self._asset.s3_object_key}

    def grant_read(self, role: iam.Role) -> None:
        """Let a task read this object; the CDK's own grant would be for all of the bucket."""
        script = self._asset.bucket.arn_for_objects(self._asset.s3_object_key)
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[script]))
