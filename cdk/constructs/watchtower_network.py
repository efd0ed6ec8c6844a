"""The monitoring task's own network: a way out to what it scrapes, and a way in for a load balancer alone."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from cdk.constructs.log_group import log_group
from cdk.constructs.network import HTTPS


class WatchtowerNetwork(Construct):
    """
    Two public subnets apart from the database's network, and no NAT gateway: it would cost more than the task.

    Attributes:
        task: Security group of the task. It calls out by HTTPS; who may call it, others say.
    """

    def __init__(self, scope: Construct, construct_id: str, *, log_days: int) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                )
            ],
        )
        self.task = self.group("Task", "The task with Prometheus and Grafana")
        self.task.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "The API, its tokens, images and AWS")
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(log_group(self, "Rejected", days=log_days)),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )

    def group(self, name: str, description: str) -> ec2.SecurityGroup:
        """A security group of this network that admits nothing and calls nobody."""
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=description, allow_all_outbound=False)
