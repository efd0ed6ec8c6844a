"""Every environment variable the service reads, read once and checked together."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from dyno.errors import InvalidSettings

T = TypeVar("T")


class Strategy(StrEnum):
    """Where operational metrics go; rows in the database are written in all three."""

    CLOUDWATCH = "cloudwatch"
    PROMETHEUS = "prometheus"
    HYBRID = "hybrid"


class DatabaseAuth(StrEnum):
    """How a function proves to PostgreSQL who it is."""

    IAM = "iam"
    TRUST = "trust"


@dataclass(frozen=True)
class Settings:
    """
    What the service is told by its environment.

    Source:
        The variables are set in cdk/constructs/environment.py; their names are the fields' in upper case.
    """

    database_host: str
    database_port: int
    database_name: str
    database_user: str
    database_auth: DatabaseAuth
    database_ca_file: str  # empty: no TLS; never with IAM
    aws_region: str
    lab_time_zone: ZoneInfo
    horizon_days: int
    max_days: int
    metrics_strategy: Strategy
    metrics_namespace: str
    metrics_retention_days: int
    user_pool_issuer: str
    user_pool_client_id: str
    scraper_client_id: str
    snapshot_bucket: str
    release: str

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """
        Read and check every variable.

        Raises:
            InvalidSettings: Names each variable that is missing, cannot be read or lacks another, all at once.
        """
        reader = _Reader(env)
        settings = {
            "database_host": reader.read("DATABASE_HOST", str),
            "database_port": reader.read("DATABASE_PORT", int, "5432"),
            "database_name": reader.read("DATABASE_NAME", str, "dyno"),
            "database_user": reader.read("DATABASE_USER", str),
            "database_auth": reader.read("DATABASE_AUTH", DatabaseAuth, "iam"),
            "database_ca_file": reader.read("DATABASE_CA_FILE", str, ""),
            "aws_region": reader.read("AWS_REGION", str),
            "lab_time_zone": reader.read("LAB_TIME_ZONE", ZoneInfo, "UTC"),
            "horizon_days": reader.read("HORIZON_DAYS", int, "1825"),
            "max_days": reader.read("MAX_DAYS", int, "180"),
            "metrics_strategy": reader.read("METRICS_STRATEGY", Strategy, "cloudwatch"),
            "metrics_namespace": reader.read("METRICS_NAMESPACE", str, "DynoAgent/Production"),
            "metrics_retention_days": reader.read("METRICS_RETENTION_DAYS", int, "400"),
            "user_pool_issuer": reader.read("USER_POOL_ISSUER", str),
            "user_pool_client_id": reader.read("USER_POOL_CLIENT_ID", str),
            "scraper_client_id": reader.read("SCRAPER_CLIENT_ID", str),
            "snapshot_bucket": reader.read("SNAPSHOT_BUCKET", str),
            "release": reader.read("RELEASE", str, "development"),
        }
        if settings["database_auth"] is DatabaseAuth.IAM and not settings["database_ca_file"]:
            # Whoever reads a token can log in with it for 15 minutes.
            reader.fault("DATABASE_AUTH=iam needs DATABASE_CA_FILE: its token goes to a verified server only")
        reader.complain()
        return cls(**settings)  # type: ignore[arg-type]  # read() has checked each


@dataclass(frozen=True)
class _Texts:
    """Settings that are all texts."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """
        Read every variable.

        Raises:
            InvalidSettings: Names each that is missing, all at once.
        """
        reader = _Reader(env)
        settings = {field.name: reader.read(field.name.upper(), str) for field in fields(cls)}
        reader.complain()
        return cls(**settings)


@dataclass(frozen=True)
class RedriveSettings(_Texts):
    """
    What redrive is told; it has neither a database nor callers.

    Source:
        As for Settings.
    """

    failed_batches_bucket: str
    call_log_group_name: str
    ingest_function_name: str


@dataclass(frozen=True)
class NoticeSettings(_Texts):
    """
    What is told to whoever carries notices out; it has neither a database nor callers.

    Source:
        As for Settings.
    """

    outbox_function_name: str
    event_source: str


@dataclass(frozen=True)
class UploadSettings(_Texts):
    """
    What is told of the bucket that large files come to.

    Source:
        As for Settings.
    """

    uploads_bucket: str
    uploads_domain: str


@cache
def settings() -> Settings:
    """The process's settings, read from its environment when first asked for."""
    return Settings.from_env(os.environ)


class _Reader:
    """Collects what is wrong instead of stopping at the first fault."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._faults: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: str | None = None) -> T | None:
        text = self._env.get(name) or default
        if text is None:
            self.fault(f"{name} is missing")
            return None
        try:
            return parse(text)
        except (ValueError, KeyError) as error:
            self.fault(f"{name}={text!r} cannot be read: {error}")
            return None

    def fault(self, said: str) -> None:
        self._faults.append(said)

    def complain(self) -> None:
        if self._faults:
            raise InvalidSettings("; ".join(self._faults))
