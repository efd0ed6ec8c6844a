"""The monitoring task: what prepares it, Prometheus, what keeps its history, and Grafana."""

from collections.abc import Mapping

from aws_cdk import Aws, Duration
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.history import FOLDER, NOBODY, History
from cdk.constructs.nag import accept
from cdk.constructs.watchtower_containers import Containers
from cdk.constructs.watchtower_sites import GRAFANA, PROMETHEUS, Addresses
from cdk.monitoring.grafana.settings import settings
from cdk.monitoring.prometheus.flags import flags

AWS_CLI = "public.ecr.aws/aws-cli/aws-cli:2.36.43"
FETCH = "aws s3 cp s3://$CONTENT_BUCKET/$CONTENT_KEY /tmp/content.sh && sh /tmp/content.sh"

CONTENT, DATABASE, GRAFANA_DATA, SCRATCH = "/content", "/prometheus", "/var/lib/grafana", "/tmp"  # noqa: S108
SNAPSHOT_INTERVAL_S = 900

ROOT = "0"
GRAFANA_USER = "472"
"""As Grafana's image has it."""

PATIENCE = Duration.seconds(120)
"""For a last snapshot; Fargate waits no longer for a container that was told to stop."""


class WatchtowerTask(Construct):
    """
    One arm64 task of half a processor and 1 GB.

    The first container fetches and prepares everything and ends. At a stop the snapshot comes before Prometheus, on
    which it depends, so that the last one has somebody to make it.

    Args:
        variables: Of the first container.
        shell: Whether ECS Exec is to work, in Grafana's container.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        history: History,
        variables: Mapping[str, str],
        addresses: Addresses,
        password: secretsmanager.ISecret,
        log_group: logs.ILogGroup,
        shell: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = self._role("Role")
        self.definition = self._definition(history)
        containers = Containers(self.definition, log_group)
        init = _init(containers, variables)
        prometheus = _prometheus(containers, addresses)
        snapshot = _snapshot(containers)
        grafana = self._grafana(containers, addresses, password, shell=shell)
        _after(init, ecs.ContainerDependencyCondition.SUCCESS, prometheus, grafana)
        _after(prometheus, ecs.ContainerDependencyCondition.HEALTHY, snapshot)
        accept(
            self.definition,
            {"AwsSolutions-ECS2": "Addresses and switches only, a part of the template; the one secret is injected."},
        )

    def _role(self, construct_id: str) -> iam.Role:
        ours = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        return iam.Role(self, construct_id, assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com", conditions=ours))

    def _definition(self, history: History) -> ecs.FargateTaskDefinition:
        return ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=512,
            memory_limit_mib=1024,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            task_role=self.role,
            execution_role=self._role("ExecutionRole"),
            volumes=[
                *(ecs.Volume(name=name) for name in ("content", "database", "grafana", "scratch")),
                ecs.Volume(name="history", efs_volume_configuration=history.volume()),
            ],
        )

    def _grafana(
        self, containers: Containers, addresses: Addresses, password: secretsmanager.ISecret, *, shell: bool
    ) -> ecs.ContainerDefinition:
        # What reaps the processes of a shell, and what AWS's agent for it needs: it writes beside the image's files.
        reaper = ecs.LinuxParameters(self, "Reaper", init_process_enabled=True) if shell else None
        return containers.add_site(
            GRAFANA,
            user=GRAFANA_USER,
            # No limit of its own: its migrations take more for a moment, and what it lacked then would end the task.
            memory_reservation_mib=384,
            readonly_root_filesystem=not shell,
            linux_parameters=reaper,
            environment=settings(url=addresses.grafana_url, content=CONTENT, data=GRAFANA_DATA),
            secrets={"GF_SECURITY_ADMIN_PASSWORD": ecs.Secret.from_secrets_manager(password)},
            # Its temporary files are in /tmp, whatever TMPDIR says, and no other volume is its own.
            writes={GRAFANA_DATA: "grafana", SCRATCH: "grafana"},
            reads={CONTENT: "content"},
        )


def _init(containers: Containers, variables: Mapping[str, str]) -> ecs.ContainerDefinition:
    return containers.add(
        "init",
        AWS_CLI,
        essential=False,
        # It gives each folder to its user.
        user=ROOT,
        entry_point=["sh", "-c"],
        command=[FETCH],
        # The AWS CLI keeps notes at home.
        environment={**variables, "HOME": SCRATCH, "SNAPSHOTS": FOLDER, "TSDB": DATABASE, "GRAFANA_DATA": GRAFANA_DATA},
        writes={CONTENT: "content", DATABASE: "database", GRAFANA_DATA: "grafana", SCRATCH: "scratch"},
        reads={FOLDER: "history"},
    )


def _prometheus(containers: Containers, addresses: Addresses) -> ecs.ContainerDefinition:
    return containers.add_site(
        PROMETHEUS,
        user=NOBODY,
        # Half of the task's: Prometheus keeps within it by itself, and leaves Grafana its part.
        memory_limit_mib=512,
        stop_timeout=PATIENCE,
        command=flags(content=CONTENT, database=DATABASE, url=addresses.prometheus_url, address=f":{PROMETHEUS.port}"),
        writes={DATABASE: "database"},
        reads={CONTENT: "content"},
    )


def _snapshot(containers: Containers) -> ecs.ContainerDefinition:
    return containers.add(
        "snapshot",
        PROMETHEUS.image,
        user=NOBODY,
        stop_timeout=PATIENCE,
        entry_point=["sh"],
        command=[f"{CONTENT}/scripts/snapshot.sh"],
        environment={
            "PROMETHEUS_URL": f"{PROMETHEUS.local_url}{PROMETHEUS.path}",
            "SNAPSHOTS": FOLDER,
            "SNAPSHOT_INTERVAL_S": str(SNAPSHOT_INTERVAL_S),
            "TSDB": DATABASE,
        },
        writes={DATABASE: "database", FOLDER: "history"},
        reads={CONTENT: "content"},
    )


def _after(
    first: ecs.ContainerDefinition, condition: ecs.ContainerDependencyCondition, *others: ecs.ContainerDefinition
) -> None:
    for each in others:
        each.add_container_dependencies(ecs.ContainerDependency(container=first, condition=condition))
