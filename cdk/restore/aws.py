"""A drill on AWS: the cluster is restored to a moment ago into another one, compared, and that one deleted."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cdk.restore.cluster import Clients, Cluster, asking, find
from cdk.restore.comparison import Ask, Measured, RestoreError, judge, measure, now
from cdk.restore.report import Drill

TAG = {"Key": "dyno:purpose", "Value": "restore-drill"}


@dataclass(frozen=True)
class Patience:
    """
    How long AWS may take, in seconds.

    Attributes:
        poll: Between two looks.
        apart: Between the two measurements, in the middle of which the moment lies.
        tries: How often to measure again if somebody wrote meanwhile.
        restorable: Until the moment can be restored to; AWS is some five minutes behind.
        step: For a cluster or an instance to be made, to wake up, or to be deleted.
    """

    poll: float = 15
    apart: float = 3
    tries: int = 3
    restorable: float = 900
    step: float = 3600


def drill(aws: Clients, deployment: str, say: Callable[[str], None] = print, patience: Patience | None = None) -> Drill:
    """
    Restore a deployment's cluster beside it, compare the two, and delete the new one, whatever happened.

    Raises:
        RestoreError: It could not be done; or the new cluster could not be deleted, and its name is said.
    """
    given = patience or Patience()
    source = find(aws, deployment)
    _say_leftovers(aws, source, say)
    ask = _asking(aws, source.described["DBClusterArn"], source, given)
    behind_s = (datetime.now(UTC) - source.described["LatestRestorableTime"]).total_seconds()
    before, moment, after = _bracket(ask, given)
    say(f"waiting until {moment:%H:%M:%S} UTC can be restored to")
    _wait_until_restorable(aws, source, moment, given)
    copy = f"{_prefix(source)}{datetime.now(UTC):%Y%m%d%H%M%S}"
    say(f"restoring {source.name} into {copy}; it is deleted at the end")
    began = time.monotonic()
    with _restored(aws, source, copy, moment, given) as arn:
        available = time.monotonic()
        found = measure(_asking(aws, arn, source, given))
        compared = time.monotonic()
    took_s = {"restore": available - began, "comparison": compared - available}
    return Drill(copy, moment, behind_s, took_s, found, judge(before, after, found))


def _asking(aws: Clients, arn: str, source: Cluster, given: Patience) -> Ask:
    return asking(aws, arn, source.secret_arn, patience_s=min(given.step, 600), pause_s=min(given.poll, 5))


def _bracket(ask: Ask, given: Patience) -> tuple[Measured, datetime, Measured]:
    """
    What the database holds before and after a moment, and the moment, in whole seconds as AWS takes it.

    Busy tables are given another chance to be the same both times.
    """
    for _ in range(given.tries):
        before = measure(ask)
        moment = now(ask).replace(microsecond=0) + timedelta(seconds=1)
        while now(ask) <= moment:
            time.sleep(given.apart / 3)
        after = measure(ask)
        if before.tables == after.tables:
            break
    return before, moment, after


def _wait_until_restorable(aws: Clients, source: Cluster, moment: datetime, given: Patience) -> None:
    give_up_at = time.monotonic() + given.restorable
    while _described(aws, source.name)["LatestRestorableTime"] < moment:
        if time.monotonic() > give_up_at:
            raise RestoreError(f"{source.name} cannot be restored to {moment} after {given.restorable:.0f} s")
        time.sleep(given.poll)


@contextmanager
def _restored(aws: Clients, source: Cluster, copy: str, moment: datetime, given: Patience) -> Iterator[str]:
    """The ARN of a new cluster with a writer, as they were at a moment; deleted at the end."""
    try:
        arn = _restore(aws, source, copy, moment)
        _add_writer(aws, source, copy)
        _wait(aws, "db_instance_available", {"DBInstanceIdentifier": _writer(copy)}, given)
        _wait(aws, "db_cluster_available", {"DBClusterIdentifier": copy}, given)
        aws.rds.enable_http_endpoint(ResourceArn=arn)
        yield arn
    finally:
        _delete(aws, copy, given)


def _restore(aws: Clients, source: Cluster, copy: str, moment: datetime) -> str:
    """Order the cluster, in the place of the other one and by its rules, but without its deletion protection."""
    was = source.described
    scaling = was["ServerlessV2ScalingConfiguration"]
    made = aws.rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier=copy,
        SourceDBClusterIdentifier=source.name,
        RestoreToTime=moment,
        DBSubnetGroupName=was["DBSubnetGroup"],
        VpcSecurityGroupIds=[group["VpcSecurityGroupId"] for group in was["VpcSecurityGroups"]],
        DBClusterParameterGroupName=was["DBClusterParameterGroup"],
        EnableIAMDatabaseAuthentication=was["IAMDatabaseAuthenticationEnabled"],
        ServerlessV2ScalingConfiguration={key: scaling[key] for key in ("MinCapacity", "MaxCapacity")},
        DeletionProtection=False,
        CopyTagsToSnapshot=False,
        Tags=[TAG],
    )
    return str(made["DBCluster"]["DBClusterArn"])


def _add_writer(aws: Clients, source: Cluster, copy: str) -> None:
    aws.rds.create_db_instance(
        DBInstanceIdentifier=_writer(copy),
        DBClusterIdentifier=copy,
        Engine=source.writer["Engine"],
        DBInstanceClass=source.writer["DBInstanceClass"],
        PubliclyAccessible=False,
        Tags=[TAG],
    )


def _delete(aws: Clients, copy: str, given: Patience) -> None:
    """
    Delete the new cluster, as far as it came.

    Raises:
        RestoreError: It is still there, and costs money.
    """
    writer = {"DBInstanceIdentifier": _writer(copy)}
    cluster = {"DBClusterIdentifier": copy}
    try:
        _order(aws.rds.delete_db_instance, given, **writer, SkipFinalSnapshot=True)
        _wait(aws, "db_instance_deleted", writer, given)
        _order(aws.rds.delete_db_cluster, given, **cluster, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)
        _wait(aws, "db_cluster_deleted", cluster, given)
    except (BotoCoreError, ClientError) as error:
        raise RestoreError(f"{copy} could not be deleted and costs money until it is: {error}") from error


def _order(delete: Callable[..., object], given: Patience, **what: Any) -> None:  # noqa: ANN401  # as boto3 takes it
    """Have something deleted that need not be there, and that may be in the middle of something else."""
    give_up_at = time.monotonic() + given.step
    while True:
        try:
            delete(**what)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code.startswith(("DBInstanceNotFound", "DBClusterNotFound")):
                return
            if (
                not code.startswith(("InvalidDBInstanceState", "InvalidDBClusterState"))
                or time.monotonic() > give_up_at
            ):
                raise
            time.sleep(given.poll)
        else:
            return


def _wait(aws: Clients, what: str, of: dict[str, str], given: Patience) -> None:
    tries = max(1, round(given.step / max(given.poll, 1)))
    aws.rds.get_waiter(what).wait(**of, WaiterConfig={"Delay": given.poll, "MaxAttempts": tries})


def _described(aws: Clients, name: str) -> dict[str, Any]:
    described: dict[str, Any] = aws.rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    return described


def _prefix(source: Cluster) -> str:
    """How the names of copies of a cluster begin; a name has at most 63 characters, and no two hyphens side by side."""
    return f"{source.name[:40].rstrip('-')}-drill-"


def _writer(copy: str) -> str:
    return f"{copy}-w"


def _say_leftovers(aws: Clients, source: Cluster, say: Callable[[str], None]) -> None:
    """Name what earlier drills left behind that were killed before they could delete it."""
    pages = aws.rds.get_paginator("describe_db_clusters").paginate()
    for each in (cluster for page in pages for cluster in page["DBClusters"]):
        if each["DBClusterIdentifier"].startswith(_prefix(source)):
            say(f"an earlier drill left {each['DBClusterIdentifier']}: delete its instance, then it")
