"""What a deployment may choose, read from the CDK context (`cdk deploy -c key=value`) and checked at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cdk.constructs.log_group import RETENTION

T = TypeVar("T")

LOG_LINGERS_DAYS = 7
"""CloudWatch Logs takes its time to delete what has expired, and shows it until then."""

LEAST_RATE, MOST_RATE = 10, 2_000_000_000
"""Of a web ACL's rule. Source: AWS WAF API Reference, RateBasedStatement."""

LEAST_PREFIX_BITS = 8
"""Of the addresses that a load balancer without a certificate admits: a larger network is as good as everybody."""

Context = Mapping[str, Any]


class WrongOptionError(ValueError):
    """A context key has a value that cannot be deployed; says which, and what would do."""


class Strategy(StrEnum):
    """Where operational metrics go; see README, monitoring."""

    CLOUDWATCH = "cloudwatch"
    PROMETHEUS = "prometheus"
    HYBRID = "hybrid"


class Tracing(StrEnum):
    """By what tracked calls are spans of their request's trace; see README, Deploy."""

    XRAY = "xray"
    OTEL = "otel"
    OFF = "off"


class RemoteWrite(StrEnum):
    """Where Prometheus sends a copy of its samples; managed is an Amazon Managed Prometheus of the deployment's own."""

    OFF = "off"
    MANAGED = "managed"


class StageName(StrEnum):
    """Where the stacks are deployed."""

    AWS = "aws"
    LOCAL = "local"


@dataclass(frozen=True)
class Options:
    """
    The choices of one deployment.

    Attributes:
        name: Prefix of stack names and of the dashboard's.
        monitoring: Strategy, given to every function as METRICS_STRATEGY.
        tracing: Given to every function as TRACING; off also has the gateway and Lambda trace nothing of their own.
        otel_layer: ARN of a layer that brings OpenTelemetry and its exporter, as AWS's own (ADOT) does; required by
            tracing=otel, else empty.
        max_capacity: Most Aurora capacity units; it falls to none when idle.
        reserved_concurrency: Kept for, and the most of, each function of the API; None reserves nothing, which
            accounts with the initial limit of 10 need.
        snapstart: Whether what people wait for is restored from a snapshot instead of started.
        throttle_rate: Requests a second the whole API admits, with bursts of `throttle_burst`.
        waf: Whether a web ACL looks at requests before the gateway does.
        waf_rate_limit: Requests that it admits of one address in five minutes.
        alarm_email: Who hears of alarms, besides the topic's other subscribers; empty for none.
        runbook: Where docs/runbook.md is read: an address to link to from alarms, alerts and dashboards, or its path in
            the project, which they say in words.
        monthly_budget: USD that the whole account may cost a month, before the topic hears of it; None for no budget.
        access_logs: Whether the gateway logs every request; it sets the account's CloudWatch role in the region.
        load_balancer: Whether one stands in front of Prometheus and Grafana; read from `alb`. This and the next five
            mean nothing under cloudwatch.
        certificate: ARN of its certificate in ACM; empty for HTTP.
        monitoring_domain: The certificate's host name, by which people find both.
        monitoring_cidr: Addresses that it admits; empty for all, which takes a certificate.
        shell: Whether commands run and ports are forwarded in the task by ECS Exec; read from `exec`.
        log_retention_days: How long log groups keep lines; never longer than the metrics table keeps rows.
    """

    name: str
    stage: StageName
    monitoring: Strategy
    tracing: Tracing
    otel_layer: str
    release: str
    max_capacity: float
    reserved_concurrency: int | None
    snapstart: bool
    throttle_rate: int
    throttle_burst: int
    waf: bool
    waf_rate_limit: int
    alarm_email: str
    runbook: str
    monthly_budget: int | None
    access_logs: bool
    load_balancer: bool
    certificate: str
    monitoring_domain: str
    monitoring_cidr: str
    remote_write: RemoteWrite
    shell: bool
    lab_time_zone: str
    horizon_days: int
    max_days: int
    metrics_retention_days: int
    log_retention_days: int

    @classmethod
    def from_context(cls, context: Context) -> "Options":
        """
        Read every choice; what is not given has the default of this page.

        Raises:
            WrongOptionError: A value that cannot be deployed.
        """
        read = _Reader(context).read
        if context.get("waf") == "off" and "waf_rate_limit" in context:
            raise WrongOptionError("waf_rate_limit is a web ACL's: waf=off has none")
        # Without either a load balancer would be for nobody or for everybody.
        balanced = "on" if context.get("certificate") or context.get("monitoring_cidr") else "off"
        return cls(
            name=read("name", _name, "DynoAgent"),
            stage=read("stage", StageName, "aws"),
            monitoring=read("monitoring", Strategy, "cloudwatch"),
            tracing=read("tracing", Tracing, "xray"),
            otel_layer=read("otel_layer", str, ""),
            release=read("release", str, "development"),
            max_capacity=read("max_capacity", float, "4"),
            reserved_concurrency=read("reserved_concurrency", _count_or_off, "off"),
            snapstart=read("snapstart", _switch, "off"),
            throttle_rate=read("throttle_rate", int, "100"),
            throttle_burst=read("throttle_burst", int, "200"),
            waf=read("waf", _switch, "on"),
            waf_rate_limit=read("waf_rate_limit", _rate_limit, "6000"),
            alarm_email=read("alarm_email", str, ""),
            runbook=read("runbook", str, "docs/runbook.md"),
            monthly_budget=read("monthly_budget", _budget, "100"),
            access_logs=read("access_logs", _switch, "on"),
            load_balancer=read("alb", _switch, balanced),
            certificate=read("certificate", _certificate, ""),
            monitoring_domain=read("monitoring_domain", _host, ""),
            monitoring_cidr=read("monitoring_cidr", _network, ""),
            remote_write=read("remote_write", RemoteWrite, "off"),
            shell=read("exec", _switch, "off"),
            lab_time_zone=read("lab_time_zone", _time_zone, "UTC"),
            horizon_days=read("horizon_days", int, "1825"),
            max_days=read("max_days", int, "180"),
            metrics_retention_days=read("metrics_retention_days", int, "400"),
            log_retention_days=read("log_retention_days", _log_retention, "30"),
        )

    def __post_init__(self) -> None:
        if self.metrics_retention_days < self.log_retention_days + LOG_LINGERS_DAYS:
            raise WrongOptionError(
                f"metrics_retention_days={self.metrics_retention_days} is less than "
                f"log_retention_days={self.log_retention_days} and {LOG_LINGERS_DAYS} days: a line that is read again "
                "would be too old for a row"
            )
        if self.otel_layer and self.tracing is not Tracing.OTEL:
            raise WrongOptionError(f"otel_layer is for tracing=otel: tracing={self.tracing} does not use it")
        if self.tracing is Tracing.OTEL and not self.otel_layer:
            raise WrongOptionError(
                "tracing=otel needs -c otel_layer=<ARN of a layer>, as AWS's own (ADOT) for arm64 in the region: "
                "the functions' layers bring no OpenTelemetry, and without it nothing is traced"
            )
        self._check_load_balancer()

    def _check_load_balancer(self) -> None:
        if bool(self.certificate) != bool(self.monitoring_domain):
            raise WrongOptionError(
                "certificate and monitoring_domain go together: people find both by the certificate's host name"
            )
        narrowed = self.certificate or self.monitoring_cidr
        if self.load_balancer and not narrowed:
            raise WrongOptionError(
                "alb=on needs -c monitoring_cidr=<the addresses it admits, as 203.0.113.0/24>, or -c certificate=<ARN> "
                "with -c monitoring_domain=<host>, which lets people sign in from anywhere"
            )
        if narrowed and not self.load_balancer:
            raise WrongOptionError("certificate, monitoring_domain and monitoring_cidr are a load balancer's: alb=off")


@dataclass(frozen=True)
class _Reader:
    context: Context

    def read(self, key: str, parse: Callable[[str], T], default: str) -> T:
        text = str(self.context.get(key, default))
        try:
            return parse(text)
        except (ValueError, KeyError) as error:
            choices = f" (one of {', '.join(parse)})" if isinstance(parse, type) and issubclass(parse, StrEnum) else ""
            raise WrongOptionError(f"-c {key}={text} cannot be used{choices}: {error}") from error


def _name(text: str) -> str:
    if not text.isascii() or not text.isalnum() or not text[0].isalpha():
        raise ValueError("a stack name begins with a letter and has only letters and digits")
    return text


def _count_or_off(text: str) -> int | None:
    return None if text == "off" else int(text)


def _budget(text: str) -> int | None:
    usd = _count_or_off(text)
    if usd is not None and usd <= 0:
        raise ValueError("a budget is a whole number of USD from 1 on, or off")
    return usd


def _switch(text: str) -> bool:
    return {"on": True, "off": False}[text]


def _rate_limit(text: str) -> int:
    if not LEAST_RATE <= int(text) <= MOST_RATE:
        raise ValueError(f"AWS WAF counts {LEAST_RATE:,} to {MOST_RATE:,} requests of an address in five minutes")
    return int(text)


def _log_retention(text: str) -> int:
    if int(text) not in RETENTION:
        raise ValueError(f"CloudWatch Logs keeps lines for {', '.join(map(str, RETENTION))} days")
    return int(text)


def _certificate(text: str) -> str:
    if text and not re.fullmatch(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]+", text):
        raise ValueError("a certificate is given by its ARN in ACM, of the deployment's region")
    return text


def _host(text: str) -> str:
    if text and not re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", text):
        raise ValueError("a host name in lower case, without scheme or path, as watch.example.com")
    return text


def _network(text: str) -> str:
    if text and IPv4Network(text).prefixlen < LEAST_PREFIX_BITS:
        raise ValueError(f"that is as good as everybody; a network has /{LEAST_PREFIX_BITS} at least")
    return text


def _time_zone(text: str) -> str:
    return ZoneInfo(text).key
