"""The two sites that the monitoring task serves, and where people find them."""

from dataclasses import dataclass

from cdk.monitoring.prometheus.config import PATH


@dataclass(frozen=True)
class Site:
    """
    A server in the task.

    Attributes:
        name: Of its container.
        path: What the paths of its pages begin with, behind a load balancer and in the task.
        health: The page below that which says whether it works.
    """

    name: str
    image: str
    port: int
    path: str
    health: str

    @property
    def health_path(self) -> str:
        """The whole path of that page."""
        return f"{self.path}{self.health}"

    @property
    def local_url(self) -> str:
        """Its address within the task, and on a machine to which its port is forwarded."""
        return f"http://localhost:{self.port}"


PROMETHEUS = Site("prometheus", "prom/prometheus:v3.5.1", 9090, PATH, "/-/healthy")
GRAFANA = Site("grafana", "grafana/grafana:12.4.0", 3000, "/grafana", "/api/health")


@dataclass(frozen=True)
class Addresses:
    """Where people find both, without the sites' paths and without a slash at the end."""

    prometheus: str
    grafana: str

    @property
    def prometheus_url(self) -> str:
        """Of its start page."""
        return f"{self.prometheus}{PROMETHEUS.path}/"

    @property
    def grafana_url(self) -> str:
        """Of its start page."""
        return f"{self.grafana}{GRAFANA.path}/"


FORWARDED = Addresses(PROMETHEUS.local_url, GRAFANA.local_url)
"""Where there is no load balancer: through a tunnel to the task."""

SHUT = (
    "Nobody can, yet: deploy with -c monitoring_cidr=, with -c certificate= and -c monitoring_domain=, "
    "or with -c exec=on to forward ports"
)


def tunnel(cluster_name: str) -> str:
    """The command that forwards Grafana's port, for a shell with the AWS CLI and its Session Manager plugin."""
    found = f"aws ecs describe-tasks --cluster {cluster_name} --tasks $task"
    return (
        f"task=$(aws ecs list-tasks --cluster {cluster_name} --query 'taskArns[0]' --output text); "
        f"container=$({found} --query \"tasks[0].containers[?name=='{GRAFANA.name}'].runtimeId\" --output text); "
        f"aws ssm start-session --target ecs:{cluster_name}_${{task##*/}}_$container "
        f"--document-name AWS-StartPortForwardingSession "
        f"--parameters portNumber={GRAFANA.port},localPortNumber={GRAFANA.port} "
        f"# and {PROMETHEUS.port} for Prometheus"
    )
