"""The private network: no way in, and out only to the database and to named buckets."""

from aws_cdk import Aws, Fn
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk.constructs.log_group import log_group

HTTPS = ec2.Port.tcp(443)


class Network(Construct):
    """
    Two isolated subnets with a free gateway to S3; nothing in them can reach the internet or be reached.

    Attributes:
        subnets: Where functions and the database are.
        clients: Security group of what may speak to the database and to S3.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24)
            ],
        )
        self.subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        self.clients = ec2.SecurityGroup(
            self,
            "Clients",
            vpc=self.vpc,
            description="Functions that use the database",
            allow_all_outbound=False,
        )
        # The subnets have no route but the gateway's, so "anywhere" is S3; its prefix list differs by region.
        self.clients.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "S3 through the gateway endpoint")
        self._storage = self.vpc.add_gateway_endpoint("Storage", service=ec2.GatewayVpcEndpointAwsService.S3)
        self._admit_answers_to_cloudformation()
        self._log_rejected_traffic()

    def admit(self, *, actions: list[str], resources: list[str]) -> None:
        """Let this account's functions do something to a bucket or its objects, if their own roles allow it too."""
        self._storage.add_to_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=actions,
                resources=resources,
                conditions={"StringEquals": {"aws:PrincipalAccount": Aws.ACCOUNT_ID}},
            )
        )

    def _admit_answers_to_cloudformation(self) -> None:
        """
        A custom resource in the VPC answers by a PUT to CloudFormation's bucket; shut out, the deploy hangs.

        Source:
            CloudFormation User Guide, "VPC endpoint considerations": the bucket's region is written without dashes.
        """
        region = Fn.join("", Fn.split("-", Aws.REGION))
        bucket = f"arn:{Aws.PARTITION}:s3:::cloudformation-custom-resource-response-{region}"
        self._storage.add_to_policy(
            iam.PolicyStatement(principals=[iam.AnyPrincipal()], actions=["s3:PutObject"], resources=[f"{bucket}/*"])
        )

    def _log_rejected_traffic(self) -> None:
        rejected = log_group(self, "Rejected", days=30)
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(rejected),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
