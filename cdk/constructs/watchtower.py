"""Prometheus and Grafana on Fargate, watching the service from a network of their own."""

from dataclasses import dataclass

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.front_door import FrontDoor
from cdk.constructs.history import History
from cdk.constructs.identity import Identity
from cdk.constructs.log_group import log_group
from cdk.constructs.managed_prometheus import ManagedPrometheus
from cdk.constructs.nag import accept
from cdk.constructs.watchtower_content import Content
from cdk.constructs.watchtower_network import WatchtowerNetwork
from cdk.constructs.watchtower_sites import FORWARDED, SHUT, Addresses, tunnel
from cdk.constructs.watchtower_task import WatchtowerTask
from cdk.options import Options, RemoteWrite


@dataclass(frozen=True)
class Scraped:
    """
    What Prometheus asks.

    Attributes:
        path: Of the exposition, the stage's included.
    """

    host: str
    path: str


class Watchtower(Construct):
    """
    One task, never two: a second would write to the same history.

    A new release therefore stops the old one first, and for some minutes nothing is scraped.

    Attributes:
        addresses: Where people find both.
        password: The secret with that of Grafana's `admin`.
        front_door: The way in; None for no way in, see `how_to_reach`.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, options: Options, scraped: Scraped, identity: Identity
    ) -> None:
        super().__init__(scope, construct_id)
        self._options = options
        self._network = WatchtowerNetwork(self, "Network", log_days=options.log_retention_days)
        self._history = History(self, "History", network=self._network)
        self.front_door = self._door(identity)
        door = self.front_door
        self.addresses = Addresses(door.url, door.url) if door else FORWARDED
        self.password = self._password()
        self._task = self._prepared_task(scraped, identity)
        # Said, as the account's own default may be otherwise, and its log has no end.
        insights = ecs.ContainerInsights.DISABLED
        self._cluster = ecs.Cluster(self, "Cluster", vpc=self._network.vpc, container_insights_v2=insights)
        accept(
            self._cluster,
            dict.fromkeys(
                ("AwsSolutions-ECS4", "CKV_AWS_65"),
                "One task that watches itself; Container Insights is billed by metric.",
            ),
        )
        service = self._service()
        if self.front_door:
            self.front_door.open_to(service)

    @property
    def how_to_reach(self) -> str:
        """What whoever deployed it has to do before the addresses work."""
        if self.front_door is None:
            return tunnel(self._cluster.cluster_name) if self._options.shell else SHUT
        balancer = self.front_door.balancer.load_balancer_dns_name
        if self._options.certificate:
            return f"Let {self._options.monitoring_domain} be an alias of {balancer}."
        return f"From {self._options.monitoring_cidr}."

    def _door(self, identity: Identity) -> FrontDoor | None:
        if not self._options.load_balancer:
            return None
        return FrontDoor(self, "Door", network=self._network, identity=identity, options=self._options)

    def _password(self) -> secretsmanager.Secret:
        password = secretsmanager.Secret(
            self,
            "Password",
            description="Of Grafana's user admin",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=32, exclude_punctuation=True),
            removal_policy=RemovalPolicy.RETAIN,
        )
        accept(
            password,
            {
                "AwsSolutions-SMG4": "Grafana reads it when it starts and keeps nothing: a new value takes a new task.",
                "CKV_AWS_149": "Encrypted by Secrets Manager's own key; who may read it is the task's execution role.",
            },
        )
        return password

    def _prepared_task(self, scraped: Scraped, identity: Identity) -> WatchtowerTask:
        """The task, and what it may do: read its content and the scraper's secret, and write its history."""
        managed = self._options.remote_write is RemoteWrite.MANAGED
        content = Content(self, "Content", runbook=self._options.runbook, remote_write=managed)
        copy = ManagedPrometheus(self, "Copy") if managed else None
        task = WatchtowerTask(
            self,
            "Task",
            history=self._history,
            variables=content.variables | _told(scraped, identity) | ({"REMOTE_WRITE_URL": copy.url} if copy else {}),
            addresses=self.addresses,
            password=self.password,
            log_group=log_group(self, "Log", days=self._options.log_retention_days),
            shell=self._options.shell,
        )
        content.grant_read(task.role)
        self._history.grant_read_write(task.role)
        # Of every client of the pool, and its secret: Cognito knows no permission for one client, and no condition.
        task.role.add_to_policy(
            iam.PolicyStatement(actions=["cognito-idp:DescribeUserPoolClient"], resources=[identity.pool.user_pool_arn])
        )
        if copy:
            copy.grant_write(task.role)
        return task

    def _service(self) -> ecs.FargateService:
        service = ecs.FargateService(
            self,
            "Service",
            cluster=self._cluster,
            task_definition=self._task.definition,
            platform_version=ecs.FargatePlatformVersion.VERSION1_4,
            desired_count=1,
            min_healthy_percent=0,
            max_healthy_percent=100,
            # It would start a second task before it stops the first.
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            # Without a NAT gateway its own address is the way out; its security group lets nobody in by it.
            assign_public_ip=True,
            security_groups=[self._network.task],
            enable_execute_command=self._options.shell,
            health_check_grace_period=Duration.minutes(5) if self.front_door else None,
        )
        service.node.add_dependency(self._history.file_system.mount_targets_available)
        if self._options.shell:
            accept(
                self._task.role.node.find_child("DefaultPolicy"),
                dict.fromkeys(
                    ("AwsSolutions-IAM5[Resource::*]", "CKV_AWS_111"),
                    "This deployment chose -c exec=on: ECS Exec knows no resource.",
                ),
            )
        return service


def _told(scraped: Scraped, identity: Identity) -> dict[str, str]:
    """The values of what content.sh and prepare.sh fill in."""
    return {
        "API_HOST": scraped.host,
        "SCHEME": "https",
        "METRICS_PATH": scraped.path,
        "TOKEN_URL": identity.token_url,
        "CLIENT_ID": identity.scraper.user_pool_client_id,
        "USER_POOL_ID": identity.pool.user_pool_id,
        "AWS_REGION": Aws.REGION,
    }
