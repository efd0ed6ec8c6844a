"""What may differ between an AWS account and this machine; cdk/local/stage.py says how this machine does."""

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Address:
    """Where a database listens."""

    host: str
    port: str


@dataclass(frozen=True)
class LayerSource:
    """
    A folder that becomes a Lambda layer.

    Attributes:
        path: Holds `python/`.
        fingerprint: Stands for the content; None to take the content itself.
    """

    path: Path
    fingerprint: str | None = None


@dataclass(frozen=True)
class Stage:
    """
    The place the stacks are deployed to.

    Attributes:
        dependencies: The packages of layers/dependencies/requirements.lock, with the database's CA certificates.
        dyno: The package `dyno`.
        sheets: The packages of layers/sheets/requirements.lock, for doors that read or write spreadsheets.
        database: Where the functions find PostgreSQL; None for the cluster's own endpoint.
        database_auth: How a function proves who it is, see dyno.settings.DatabaseAuth.
        database_ca_file: Certificates the database's is checked against; empty for no TLS.
        resource_timeout_s: How long CloudFormation waits for bootstrap and migrate.
        api_tags: Tags of the REST API.
    """

    dependencies: LayerSource
    dyno: LayerSource
    sheets: LayerSource
    database: Address | None = None
    database_auth: str = "iam"
    database_ca_file: str = "/opt/python/certificates/rds.pem"
    # An interface in the VPC, a paused cluster's resume and the migrations all fall into it.
    resource_timeout_s: int = 900
    api_tags: dict[str, str] = field(default_factory=dict)
    # The checks below are of what AWS would refuse or expose; they have nothing to say of this machine.
    checked: bool = True
