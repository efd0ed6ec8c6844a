"""What Prometheus is started with."""

from cdk.monitoring.prometheus.config import PATH

RETENTION_DAYS = 30


def flags(*, content: str, database: str, url: str, address: str) -> list[str]:
    """
    Its command line, without the program.

    Args:
        content: The folder of everything that the task's script wrote.
        database: The folder of its live database.
        url: Of its start page, as people see it.
        address: Where it listens, as Go writes it: `:9090` is every interface.
    """
    return [
        f"--config.file={content}/prometheus/prometheus.yml",
        f"--storage.tsdb.path={database}",
        f"--storage.tsdb.retention.time={RETENTION_DAYS}d",
        f"--web.external-url={url}",
        f"--web.route-prefix={PATH}",
        f"--web.listen-address={address}",
        # For snapshots, which are asked for from beside it: who comes from outside may only read.
        "--web.enable-admin-api",
    ]
