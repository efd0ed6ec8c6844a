"""Containers of the monitoring task: what all of them have alike."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs

from cdk.constructs.watchtower_sites import Site


class Containers:
    """Adds containers to a task that log to one group and, unless told otherwise, cannot write to their own files."""

    def __init__(self, definition: ecs.FargateTaskDefinition, log_group: logs.ILogGroup) -> None:
        self._definition, self._log = definition, log_group

    def add(
        self,
        name: str,
        image: str,
        *,
        writes: Mapping[str, str],
        reads: Mapping[str, str],
        **given: object,
    ) -> ecs.ContainerDefinition:
        """
        One container.

        Args:
            writes: The task's volumes where it may write, by the paths where it finds them.
            reads: The same of those it may only read.
            given: Whatever else ECS is to know.
        """
        settings = {"readonly_root_filesystem": True} | given
        container = self._definition.add_container(
            name,
            image=ecs.ContainerImage.from_registry(image),
            logging=ecs.LogDrivers.aws_logs(stream_prefix="watchtower", log_group=self._log),
            **settings,  # type: ignore[arg-type]
        )
        container.add_mount_points(*_mounts(writes, read_only=False), *_mounts(reads, read_only=True))
        return container

    def add_site(self, site: Site, **given: object) -> ecs.ContainerDefinition:
        """One that serves a site, and is healthy if the site says so; the rest as for any other."""
        url = f"{site.local_url}{site.health_path}"
        health = ecs.HealthCheck(
            command=["CMD-SHELL", f"wget -q -O /dev/null {url} || exit 1"],
            interval=Duration.seconds(30),
            timeout=Duration.seconds(10),
            retries=3,
            # Prometheus reads its history first, Grafana makes its database.
            start_period=Duration.minutes(5),
        )
        ports = [ecs.PortMapping(container_port=site.port)]
        return self.add(site.name, site.image, health_check=health, port_mappings=ports, **given)  # type: ignore[arg-type]


def _mounts(volumes: Mapping[str, str], *, read_only: bool) -> list[ecs.MountPoint]:
    return [
        ecs.MountPoint(source_volume=volume, container_path=path, read_only=read_only)
        for path, volume in volumes.items()
    ]
