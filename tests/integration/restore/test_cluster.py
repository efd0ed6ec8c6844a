"""
A drill on AWS: moto has the clusters; what they hold is asked of a real PostgreSQL, in the Data API's own shapes.

Nothing is proven here of how long AWS takes, nor that a restored cluster takes the other one's secret.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from moto import mock_aws

from cdk.local import postgres
from cdk.restore import aws, cluster, comparison
from cdk.restore.cluster import Clients
from cdk.restore.comparison import RestoreError
from tests.integration.restore import copies
from tests.lab import MONDAY, TUESDAY, Lab

pytestmark = pytest.mark.own_database

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:Master"
QUICK = aws.Patience(poll=0.01, apart=0.3, tries=2, restorable=0.5, step=1)
OK = AWSResponse("", 200, HTTPHeaders(), None)


class Account:
    """
    An account with a deployment.

    Attributes:
        clients: To talk to it.
        restored: The orders to restore.
        said: What the drill said meanwhile.
        refuse: Operations that are refused, each as many times as it says.
        database: Which of the server's databases a cluster's ARN stands for.
    """

    def __init__(self, port: int, database: str, lab: Lab) -> None:
        self.clients = Clients.of_the_caller()
        self.restored: list[dict[str, Any]] = []
        self.enabled: list[str] = []
        self.said: list[str] = []
        self.refuse: dict[str, list[str]] = {}
        self.port, self.source, self.copy = port, database, f"{database}_copy"
        self.lab = lab
        self._connections: dict[str, Any] = {}
        self.spoil = ""
        self.restorable_at: datetime | None = None
        self._listen()

    def drill(self) -> Any:
        return aws.drill(self.clients, "Lab", self.said.append, QUICK)

    def names(self) -> list[str]:
        rds = self.clients.rds
        instances = [each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]]
        return [each["DBClusterIdentifier"] for each in rds.describe_db_clusters()["DBClusters"]] + instances

    def _listen(self) -> None:
        for client, service in ((self.clients.rds, "rds"), (self.clients.data, "rds-data")):
            client.meta.events.register_first(f"before-call.{service}", self._refuse)
        answers: dict[str, tuple[Any, Callable[..., Any]]] = {
            "cloudformation.ListStackResources": (self.clients.cloudformation, self._resources),
            "rds-data.ExecuteStatement": (self.clients.data, self._execute),
            "rds.EnableHttpEndpoint": (self.clients.rds, self._enable),
            "rds.RestoreDBClusterToPointInTime": (self.clients.rds, lambda _: None),
        }
        for operation, (client, answer) in answers.items():
            client.meta.events.register(f"before-parameter-build.{operation}", self._remember)
            client.meta.events.register(f"before-call.{operation}", lambda answer=answer, **_: answer(self._asked))
        self.clients.rds.meta.events.register("after-call.rds.DescribeDBClusters", self._restorable)

    def _connected(self, database: str) -> Any:
        if database not in self._connections:
            self._connections[database] = postgres.connect(self.port, database)
        return self._connections[database]

    def hang_up(self) -> None:
        """Leave the databases alone: PostgreSQL copies and drops none that somebody is connected to."""
        self.lab.owner.dispose()
        self.lab.over.dispose()
        while self._connections:
            self._connections.popitem()[1].close()

    def _remember(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self._asked = params
        if model.name == "RestoreDBClusterToPointInTime":
            self.restored.append(params)
            self.hang_up()
            copies.copied(self.port, self.source, self.copy)
            copies.run(self.port, self.copy, self.spoil or "select")

    def _refuse(self, model: Any, **_: Any) -> None:
        if self.refuse.get(model.name):
            raise ClientError({"Error": {"Code": self.refuse[model.name].pop(0), "Message": "planted"}}, model.name)

    def _restorable(self, parsed: dict[str, Any], **_: Any) -> None:
        for each in parsed.get("DBClusters", []):
            each["LatestRestorableTime"] = self.restorable_at or datetime.now(UTC) + timedelta(seconds=2)

    def _resources(self, asked: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
        found = {"AWS::RDS::DBCluster": "lab-data", "AWS::SecretsManager::Secret": SECRET}
        if asked["StackName"] != "Lab-Data":
            found = {}
        listed = [{"ResourceType": kind, "PhysicalResourceId": name} for kind, name in found.items()]
        return OK, {"StackResourceSummaries": listed}

    def _enable(self, asked: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
        self.enabled.append(asked["ResourceArn"])
        return OK, {"ResourceArn": asked["ResourceArn"], "HttpEndpointEnabled": True}

    def _execute(self, asked: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
        assert (asked["secretArn"], asked["database"]) == (SECRET, "dyno")
        drill = "-drill-" in asked["resourceArn"]
        assert not drill or asked["resourceArn"] in self.enabled
        rows = self._connected(self.copy if drill else self.source).run(asked["sql"])
        return OK, {"records": [[_cell(value) for value in row] for row in rows]}


def _cell(value: object) -> dict[str, object]:
    """A value in the Data API's shape; only text is taken for text."""
    if value is None:
        return {"isNull": True}
    return {"stringValue": value} if isinstance(value, str) else {"longValue": value}


@pytest.fixture
def account(lab: Lab, server_port: int, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """A deployment whose lab has two bookings."""
    lab.dyno("D1")
    lab.vehicles(3)
    lab.auto_allocate("9ZZ0TEST0VD000000", MONDAY)
    lab.auto_allocate("9ZZ0TEST0VD000001", TUESDAY)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        _make_cluster()
        account = Account(server_port, database, lab)
        yield account
    account.hang_up()
    copies.run(server_port, "postgres", f"drop database if exists {account.copy} with (force)")


def _make_cluster() -> None:
    ec2, rds = boto3.client("ec2"), boto3.client("rds")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"eu-central-1{'ab'[i]}")["Subnet"][
            "SubnetId"
        ]
        for i in (0, 1)
    ]
    group = ec2.create_security_group(GroupName="Group", Description="The database", VpcId=vpc)["GroupId"]
    rds.create_db_subnet_group(DBSubnetGroupName="subnets", DBSubnetGroupDescription="isolated", SubnetIds=subnets)
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName="parameters", DBParameterGroupFamily="aurora-postgresql16", Description="TLS only"
    )
    rds.create_db_cluster(
        DBClusterIdentifier="lab-data",
        Engine="aurora-postgresql",
        EngineVersion="16.11",
        MasterUsername="postgres",
        MasterUserPassword="only-in-a-test",
        DBSubnetGroupName="subnets",
        VpcSecurityGroupIds=[group],
        DBClusterParameterGroupName="parameters",
        DeletionProtection=True,
        EnableIAMDatabaseAuthentication=True,
        ServerlessV2ScalingConfiguration={"MinCapacity": 0, "MaxCapacity": 4},
    )
    rds.create_db_instance(
        DBInstanceIdentifier="lab-writer",
        DBClusterIdentifier="lab-data",
        Engine="aurora-postgresql",
        DBInstanceClass="db.serverless",
    )


def test_the_cluster_is_restored_beside_itself_compared_and_deleted(account: Account) -> None:
    done = account.drill()

    (order,) = account.restored
    assert done.verdict.faults == ()
    assert "occupancies" in done.verdict.exact
    assert order["DBSubnetGroupName"] == "subnets"
    assert order["DBClusterParameterGroupName"] == "parameters"
    assert len(order["VpcSecurityGroupIds"]) == 1
    assert order["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 0, "MaxCapacity": 4}
    assert (order["DeletionProtection"], order["Tags"]) == (False, [aws.TAG])
    assert done.lines[3].startswith("RPO ")
    assert done.lines[-1].startswith("the drill passed: ")
    assert account.names() == ["lab-data", "lab-writer"]


def test_a_booking_that_was_lost_is_said(account: Account) -> None:
    account.spoil = copies.LOSE_A_BOOKING

    done = account.drill()

    assert done.verdict.faults == ("occupancies: 1 rows, not 2",)
    assert done.lines[-1] == "the drill FAILED: 1 faults"
    assert account.names() == ["lab-data", "lab-writer"]


def test_an_overlap_in_the_copy_is_said(account: Account) -> None:
    account.spoil = copies.OVERLAP

    assert "1 occupancies overlap another" in account.drill().verdict.faults


def test_tables_that_are_written_to_meanwhile_are_only_counted(
    account: Account, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = itertools.cycle([True, False])

    def book_and_measure(ask: Any) -> Any:
        measured = comparison.measure(ask)
        if not account.restored and next(before):
            lab.auto_allocate("9ZZ0TEST0VD000002", MONDAY, backup=True, max_backup_days=9)
        return measured

    monkeypatch.setattr(aws, "measure", book_and_measure)

    done = account.drill()

    assert done.verdict.faults == ()
    assert {"occupancies", "history"} <= {*done.verdict.moving}
    assert any(line.startswith("written to meanwhile, so only counted: ") for line in done.lines)


def test_a_drill_that_breaks_off_deletes_what_it_made(account: Account) -> None:
    account.spoil = "drop table occupancies cascade"

    with pytest.raises(RestoreError, match="no database of the service"):
        account.drill()

    assert account.names() == ["lab-data", "lab-writer"]


def test_a_writer_that_is_refused_leaves_no_cluster_behind(account: Account) -> None:
    account.refuse["CreateDBInstance"] = ["InstanceQuotaExceeded"]

    with pytest.raises(ClientError, match="InstanceQuotaExceeded"):
        account.drill()

    assert account.names() == ["lab-data", "lab-writer"]


def test_what_is_still_being_made_is_deleted_a_little_later(account: Account) -> None:
    account.refuse["DeleteDBInstance"] = ["InvalidDBInstanceState"] * 2
    account.refuse["DeleteDBCluster"] = ["InvalidDBClusterStateFault"]

    assert account.drill().verdict.faults == ()

    assert account.names() == ["lab-data", "lab-writer"]


def test_a_cluster_that_cannot_be_deleted_is_named_and_named_again(account: Account) -> None:
    account.refuse["DeleteDBCluster"] = ["AccessDenied"]

    with pytest.raises(RestoreError, match=r"lab-data-drill-\d+ could not be deleted and costs money"):
        account.drill()
    (left,) = [name for name in account.names() if "-drill-" in name]
    account.hang_up()
    copies.run(account.port, "postgres", f"drop database {account.copy}")
    account.drill()

    assert f"an earlier drill left {left}: delete its instance, then it" in account.said


def test_a_cluster_that_is_waking_up_is_asked_again(account: Account) -> None:
    account.refuse["ExecuteStatement"] = ["DatabaseResumingException"] * 3

    assert account.drill().verdict.faults == ()


def test_a_moment_that_cannot_be_restored_to_ends_the_drill_before_anything_is_made(account: Account) -> None:
    account.restorable_at = datetime.now(UTC) - timedelta(hours=1)

    with pytest.raises(RestoreError, match="lab-data cannot be restored to"):
        account.drill()

    assert account.restored == []


def test_a_deployment_that_is_not_there_is_said(account: Account) -> None:
    with pytest.raises(RestoreError, match="Other-Data has no AWS::RDS::DBCluster"):
        cluster.find(account.clients, "Other")
