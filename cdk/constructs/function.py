"""A Lambda function with a role of its own that may do only what it is granted."""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.layers import ARCHITECTURE, RUNTIME, folder
from cdk.constructs.nag import accept
from cdk.constructs.network import Network
from cdk.options import Tracing
from cdk.stage import ROOT, LayerSource

INTERFACE_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]


ALIAS, NEWEST = "published", "$LATEST"


class PrivateFunction(Construct):
    """
    A function that logs to one group, is traced if it is told so, and has no permission beyond that until it is granted
    one.

    Args:
        environment: Its variables; TRACING is for Lambda, too.
        network: Where it runs, to reach the database; None for outside, where it reaches AWS's own endpoints.
        reserved_concurrency: Executions kept for it, which it may not exceed; None for no such promise.
        snapstart: Whether its environments are restored from a snapshot of its newest version.
    Attributes:
        called: What is to be called: the function, or the alias of the version that has a snapshot.
        qualifier: By which Lambda knows it among the function's versions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        layers: Sequence[lambda_.ILayerVersion],
        environment: Mapping[str, str],
        log_group: logs.ILogGroup,
        handler: str = "handler.handler",
        description: str = "",
        timeout: Duration | None = None,
        memory_mb: int = 512,
        network: Network | None = None,
        reserved_concurrency: int | None = None,
        snapstart: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self._allow_logs(log_group)
        if network:
            self._allow_interfaces()
        self.function = lambda_.Function(
            self,
            "Function",
            code=code,
            handler=handler,
            description=description,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            layers=list(layers),
            environment=dict(environment),
            role=self.role,
            log_group=log_group,
            timeout=timeout or Duration.seconds(20),
            memory_size=memory_mb,
            tracing=_tracing(environment),
            reserved_concurrent_executions=reserved_concurrency,
            vpc=network.vpc if network else None,
            vpc_subnets=network.subnets if network else None,
            security_groups=[network.clients] if network else None,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if snapstart else None,
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.DESTROY) if snapstart else None,
        )
        self.qualifier = ALIAS if snapstart else NEWEST
        self.called: lambda_.IFunction = self._published() if snapstart else self.function
        self._accept(network=network, traced=_traced(environment), reserved_concurrency=reserved_concurrency)

    def _published(self) -> lambda_.Alias:
        """
        One name for whichever version is the newest: only published versions have snapshots.

        The version before is deleted when all callers have the newest, as its snapshot costs money as long as it is.
        """
        return lambda_.Alias(self, "Published", alias_name=ALIAS, version=self.function.current_version)

    def _allow_logs(self, log_group: logs.ILogGroup) -> None:
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
            )
        )

    def _allow_interfaces(self) -> None:
        """
        Let Lambda attach the function to the network, and keep the function's own code from doing the like.

        Source:
            Lambda Developer Guide, "Giving Lambda functions access to resources in a VPC".
        """
        self.role.add_to_policy(iam.PolicyStatement(actions=INTERFACE_ACTIONS, resources=["*"]))
        any_function = f"arn:{Aws.PARTITION}:lambda:{Aws.REGION}:{Aws.ACCOUNT_ID}:function:*"
        self.role.add_to_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=INTERFACE_ACTIONS,
                resources=["*"],
                conditions={"ArnLike": {"lambda:SourceFunctionArn": any_function}},
            )
        )

    def _accept(self, *, network: Network | None, traced: bool, reserved_concurrency: int | None) -> None:
        policy = self.role.node.find_child("DefaultPolicy")
        if network or traced:
            reason = "X-Ray's and the network interfaces' actions know no resource; the latter are denied to the code."
            accept(policy, {"AwsSolutions-IAM5[Resource::*]": reason} | ({"CKV_AWS_111": reason} if network else {}))
        accept(
            self.function,
            {
                "AwsSolutions-L1": "Python 3.13 is supported to 2029; the layers are built and compiled for it.",
                "CKV_AWS_116": "Who waits for an answer has it or sees none, a batch that failed goes to a bucket, a "
                "night makes up for the one before: a queue of dead events would be one more place to look at.",
                "CKV_AWS_173": "Addresses, names and switches, no secret, encrypted by a key of AWS's own; one of ours "
                "would be asked at each cold start.",
            },
        )
        if not network:
            accept(self.function, {"CKV_AWS_117": "It calls AWS's own endpoints, which the isolated network cannot."})
        if reserved_concurrency is None:
            reason = "New accounts have too little to reserve any; the API's functions have it by reserved_concurrency."
            accept(self.function, {"CKV_AWS_115": reason})


def _tracing(environment: Mapping[str, str]) -> lambda_.Tracing:
    """
    Whether Lambda samples invocations, says so to the function and lets it send.

    Source:
        AWS Distro for OpenTelemetry, "Lambda Support For Python": its layer, too, needs active tracing.
    """
    return lambda_.Tracing.ACTIVE if _traced(environment) else lambda_.Tracing.DISABLED


def _traced(environment: Mapping[str, str]) -> bool:
    return environment.get("TRACING", Tracing.OFF) != Tracing.OFF


class DynoFunction(PrivateFunction):
    """
    A door of the service: the code in functions/<name>, logging in to the database as `database_user`.

    Args:
        name: The folder in functions/.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        layers: Sequence[lambda_.ILayerVersion],
        environment: Mapping[str, str],
        log_group: logs.ILogGroup,
        description: str,
        timeout: Duration | None = None,
        memory_mb: int = 512,
        network: Network | None = None,
        reserved_concurrency: int | None = None,
        snapstart: bool = False,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            code=folder(LayerSource(ROOT / "functions" / name)),
            layers=layers,
            environment=environment,
            log_group=log_group,
            description=description,
            timeout=timeout,
            memory_mb=memory_mb,
            network=network,
            reserved_concurrency=reserved_concurrency,
            snapstart=snapstart,
        )
        self.database_user = environment.get("DATABASE_USER", "")
