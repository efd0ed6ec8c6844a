"""A deployment's cluster, as AWS describes it, and SQL in it through the RDS Data API."""

import time
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cdk.constructs.database import NAME
from cdk.restore.comparison import Ask, RestoreError

WAKING = {
    "DatabaseResumingException",
    "DatabaseUnavailableException",
    "HttpEndpointNotEnabledException",
    "InternalServerErrorException",
    "ServiceUnavailableError",
}
"""What the Data API says of a cluster that is waking up or was made a moment ago."""


@dataclass(frozen=True)
class Clients:
    """AWS, with the caller's credentials."""

    cloudformation: Any
    rds: Any
    data: Any

    @classmethod
    def of_the_caller(cls) -> "Clients":
        """Of whatever credentials and region the environment gives."""
        return cls(boto3.client("cloudformation"), boto3.client("rds"), boto3.client("rds-data"))


@dataclass(frozen=True)
class Cluster:
    """
    A cluster and who may log in.

    Attributes:
        described: As `describe_db_clusters` has it.
        writer: As `describe_db_instances` has its writer.
        secret_arn: Of the master's password.
    """

    described: dict[str, Any]
    writer: dict[str, Any]
    secret_arn: str

    @property
    def name(self) -> str:
        """Its identifier."""
        return str(self.described["DBClusterIdentifier"])


def find(aws: Clients, deployment: str) -> Cluster:
    """
    The cluster of a deployment.

    Raises:
        RestoreError: Its data stack has none.
    """
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=f"{deployment}-Data")
    ids = {
        each["ResourceType"]: each["PhysicalResourceId"] for page in pages for each in page["StackResourceSummaries"]
    }
    try:
        name, secret = ids["AWS::RDS::DBCluster"], ids["AWS::SecretsManager::Secret"]
    except KeyError as error:
        raise RestoreError(f"{deployment}-Data has no {error.args[0]}") from error
    described = aws.rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    writers = [each["DBInstanceIdentifier"] for each in described["DBClusterMembers"] if each["IsClusterWriter"]]
    (writer,) = aws.rds.describe_db_instances(DBInstanceIdentifier=writers[0])["DBInstances"]
    return Cluster(described, writer, secret)


def asking(aws: Clients, cluster_arn: str, secret_arn: str, *, patience_s: float, pause_s: float) -> Ask:
    """
    SQL in a cluster as its master, which waits while the cluster wakes up.

    Args:
        patience_s: How long a statement is tried again.
    """

    def ask(statement: str) -> list[list[str | None]]:
        give_up_at = time.monotonic() + patience_s
        while True:
            try:
                answer = aws.data.execute_statement(
                    resourceArn=cluster_arn, secretArn=secret_arn, database=NAME, sql=statement
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in WAKING or time.monotonic() > give_up_at:
                    raise
                time.sleep(pause_s)
            else:
                return [[cell.get("stringValue") for cell in row] for row in answer["records"]]

    return ask
