"""How much a deployment is used in a month: what a bill needs to know besides the templates."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from cdk.options import Strategy, WrongOptionError

HOURS = Decimal(730)
"""Of a month, as AWS reckons."""

SECONDS = HOURS * 3600
DAYS = HOURS / 24
MILLION = Decimal(1_000_000)
GIGA = Decimal(1_000_000_000)

LOG_COMPRESSION = Decimal("0.15")
"""Bytes stored for a byte taken in. Source: CloudWatch price page, its examples."""


@dataclass(frozen=True)
class Traffic:
    """
    A month's use. Everything is a choice of the context: `-c traffic=` is `requests`, `-c traffic_people=` is `people`.

    Attributes:
        requests: To the API, scrapes not counted. Default: a hundred planners, fifty requests a working day each.
        calls_per_request: Record lines per request. Nearly every request is one tracked call.
        ms_per_request: Time of a function. Tens of milliseconds of work, and cold starts on top.
        share_restored: Of the runs of a function with a snapshot, those that wait for an environment to be restored.
        ms_per_batch: The same of ingest; each batch also writes the snapshot.
        ms_per_scrape: The same of a scrape, which reads one object.
        seconds_per_run: The same of a nightly run or a deployment's function. A night's redrive reads a day's log.
        notices_per_request: Bookings that are moved, displaced or cancelled, and holds that lapse, per request.
        ms_per_notice: Time of either function by which one is told; both start cold as a rule.
        response_bytes: A page of a list is some 10 kB, a booking 1 kB.
        scrape_bytes: The text of all families, with every histogram's buckets.
        record_bytes: One record line with CloudWatch's part; a line without it is shorter. Measured by a test.
        log_bytes: What a request logs besides its record: Lambda's START, END and REPORT, and a line of ours.
        access_log_bytes: What the gateway logs of a request.
        other_log_gb: What any other log group takes in: nights, deployments, rejected packets, the database.
        scrapes_per_minute: By one Prometheus, under the strategies that have one; every 30 s. The shortest window of an
            alarm is a minute, for which two points are enough; Prometheus' usual 15 s would cost twice as much.
        samples_per_scrape: What Prometheus sends on, where it is told to: each line of the text, and twice as many that
            it records from them, if each of ten methods was called.
        awake_hours: When people work, and the nightly runs: 22 days of 9 hours, 31 nights of 20 minutes.
        share_off_hours: Of requests, those that find the database asleep; each keeps it awake for five minutes.
        database_ms_per_request: One ACU's time for a booking, its rules and history.
        database_ms_per_call: The same for writing one record.
        io_per_request: Pages read or written that were not in memory.
        io_per_call: The same of a record; writes count by 4 kB of log.
        booking_bytes: What a request leaves in the database for good, indexes included; kept for three years.
        row_bytes: A record's row with its indexes, kept for `metrics_retention_days`.
        objects_gb: What a bucket holds: the snapshot, batches that failed, or files that were sent.
        dashboard_looks: How often somebody opens the dashboard; how much it then shows, its body says.
        notifications: E-mails of alarms.
        people: Who sign in.
        volume_gb: What a file system holds, where there is one: 30 days of snapshots of some hundred series.
        balancer_lcu: Use of a load balancer, where there is one: a few people looking at Grafana.
    """

    requests: Decimal = Decimal(100_000)
    calls_per_request: Decimal = Decimal("1.1")
    ms_per_request: Decimal = Decimal(60)
    share_restored: Decimal = Decimal("0.02")
    ms_per_batch: Decimal = Decimal(60)
    ms_per_scrape: Decimal = Decimal(25)
    seconds_per_run: Decimal = Decimal(60)
    notices_per_request: Decimal = Decimal("0.02")
    ms_per_notice: Decimal = Decimal(1_000)
    response_bytes: Decimal = Decimal(4_000)
    scrape_bytes: Decimal = Decimal(25_000)
    record_bytes: Decimal = Decimal(1_000)
    log_bytes: Decimal = Decimal(900)
    access_log_bytes: Decimal = Decimal(500)
    other_log_gb: Decimal = Decimal("0.05")
    scrapes_per_minute: Decimal = Decimal(2)
    samples_per_scrape: Decimal = Decimal(1_000)
    awake_hours: Decimal = Decimal(210)
    share_off_hours: Decimal = Decimal("0.01")
    database_ms_per_request: Decimal = Decimal(10)
    database_ms_per_call: Decimal = Decimal(1)
    io_per_request: Decimal = Decimal(4)
    io_per_call: Decimal = Decimal(2)
    booking_bytes: Decimal = Decimal(1_000)
    row_bytes: Decimal = Decimal(900)
    objects_gb: Decimal = Decimal("0.1")
    dashboard_looks: Decimal = Decimal(60)
    notifications: Decimal = Decimal(100)
    people: Decimal = Decimal(100)
    volume_gb: Decimal = Decimal(1)
    balancer_lcu: Decimal = Decimal("0.1")

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Traffic":
        """
        What the context says; defaults for what it does not.

        Raises:
            WrongOptionError: Something is not a number, or below zero, or no figure of this page.
        """
        keys = {_key(field.name) for field in fields(cls)}
        unknown = sorted(key for key in context if key.startswith("traffic_") and key not in keys)
        if unknown:
            raise WrongOptionError(f"-c {unknown[0]}= is no figure of the traffic; docs/cost.md lists them")
        return cls(**{field.name: _number(context, field.name, field.default) for field in fields(cls)})

    @property
    def calls(self) -> Decimal:
        """Record lines."""
        return self.requests * self.calls_per_request

    @property
    def notices(self) -> Decimal:
        """Events that tell of bookings, each by itself at most, and a look at night."""
        return self.requests * self.notices_per_request + DAYS

    @property
    def batches(self) -> Decimal:
        """Runs of ingest: one per record, until every busy environment's stream has one each second."""
        busy_seconds = self.requests * self.ms_per_request / 1000
        return min(self.calls, SECONDS + busy_seconds)

    @property
    def hours_awake(self) -> Decimal:
        """Of the database: never more than there are."""
        woken = self.requests * self.share_off_hours * 5 / 60
        return min(HOURS, self.awake_hours + woken)

    def scrapes(self, strategy: Strategy) -> Decimal:
        """Of /metrics/prometheus; none where no Prometheus belongs to the strategy."""
        return Decimal(0) if strategy is Strategy.CLOUDWATCH else self.scrapes_per_minute * 60 * HOURS


def traced(invocations: Decimal) -> Decimal:
    """
    Those of a month that X-Ray samples, if they are spread evenly; fewer if they crowd.

    Source:
        X-Ray Developer Guide, default sampling rule: the first of each second, and 5 % of the others.
    """
    first = min(invocations, SECONDS)
    return first + (invocations - first) / 20


def _key(name: str) -> str:
    return "traffic" if name == "requests" else f"traffic_{name}"


def _number(context: Mapping[str, Any], name: str, default: object) -> Decimal:
    key = _key(name)
    text = str(context.get(key, default))
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise WrongOptionError(f"-c {key}={text} cannot be used: it is not a number") from error
    if not number.is_finite() or number < 0:
        raise WrongOptionError(f"-c {key}={text} cannot be used: it is not a number from zero on")
    return number
