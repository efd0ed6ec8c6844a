"""Prometheus and Grafana on Fargate as they are usually put there, in a template that can be priced."""

import tempfile

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from cdk.bill.inventory import Templates
from cdk.bill.notice import templates

SERVICES = {"Prometheus": (512, 1_024, 9090), "Grafana": (256, 512, 3000), "Alertmanager": (256, 512, 9093)}
"""Processor units, memory in MiB and port: the least that each is said to run on."""

THROUGHPUT = cdk.Size.mebibytes(1)
"""The least that can be reserved; what is asked for is usually ten times as much."""


def usual_monitoring() -> Templates:
    """A service each in private subnets, behind a NAT gateway and a load balancer, on one shared file system."""
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder)
        UsualMonitoring(app, "Usual-Monitoring", env=cdk.Environment(account="123456789012", region="us-east-1"))
        return templates(app.synth())


class UsualMonitoring(cdk.Stack):
    """All of it."""

    def __init__(self, scope: Construct, construct_id: str, *, env: cdk.Environment) -> None:
        super().__init__(scope, construct_id, env=env)
        network = ec2.Vpc(self, "Network", max_azs=2, nat_gateways=1)
        files = efs.FileSystem(
            self,
            "Files",
            vpc=network,
            throughput_mode=efs.ThroughputMode.PROVISIONED,
            provisioned_throughput_per_second=THROUGHPUT,
        )
        balancer = elb.ApplicationLoadBalancer(self, "Balancer", vpc=network, internet_facing=True)
        cluster = ecs.Cluster(self, "Cluster", vpc=network)
        for name, (processors, memory_mib, port) in SERVICES.items():
            task = ecs.FargateTaskDefinition(self, f"{name}Task", cpu=processors, memory_limit_mib=memory_mib)
            task.add_volume(name="files", efs_volume_configuration={"file_system_id": files.file_system_id})
            container = task.add_container(name, image=ecs.ContainerImage.from_registry(name.lower()))
            container.add_port_mappings(ecs.PortMapping(container_port=port))
            service = ecs.FargateService(self, name, cluster=cluster, task_definition=task, desired_count=1)
            listener = balancer.add_listener(f"{name}Listener", port=port, protocol=elb.ApplicationProtocol.HTTP)
            listener.add_targets(f"{name}Target", port=port, protocol=elb.ApplicationProtocol.HTTP, targets=[service])
