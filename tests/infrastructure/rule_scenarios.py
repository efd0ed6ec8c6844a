"""What goes on in the lab, as Prometheus sees it every 30 seconds, and what its rules are to make of that."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from cdk.local.promtool import promtool
from cdk.monitoring.prometheus import recordings
from cdk.monitoring.prometheus.promql import labels
from dyno.metrics import catalogue
from dyno.metrics.catalogue import Family
from dyno.metrics.exposition import exposition
from dyno.metrics.model import SeriesTotal, Snapshot, Totals

SCRAPED = {"job": "dyno", "instance": "api.example"}
BOOKINGS = dict(zip(catalogue.DIMENSIONS, catalogue.AUTO_ALLOCATE, strict=True))

ERRORS_LATELY = recordings.of_calls(catalogue.ERRORS, "ratio_rate5m")
REFUSALS_LATELY = recordings.of_calls(catalogue.REJECTIONS, "ratio_rate5m")
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'

Series = Mapping[str, str]
"""Values by series, in promtool's notation: `a+bxn` goes on n times, `_` is none, `stale` ends it."""


@dataclass(frozen=True)
class Scenario:
    """
    A course of things.

    Attributes:
        alerts: Those that are on, by the minute that is looked at.
        values: What else is looked at: minute, expression, and the value; None if there is to be none.
    """

    name: str
    series: Series
    alerts: Mapping[float, Sequence[str]]
    values: Sequence[tuple[float, str, float | None]] = field(default=())

    def test(self) -> dict[str, Any]:
        """As promtool has it."""
        series = [{"series": name, "values": values} for name, values in self.series.items()]
        firing = [
            _asked(minute, FIRING, [(f'{{alertname="{name}"}}', 1) for name in sorted(names)])
            for minute, names in self.alerts.items()
        ]
        asked = [
            _asked(minute, expression, [] if value is None else [("{}", value)])
            for minute, expression, value in self.values
        ]
        return {"name": self.name, "interval": "30s", "input_series": series, "promql_expr_test": [*firing, *asked]}


def _asked(minute: float, expression: str, samples: Sequence[tuple[str, float]]) -> dict[str, Any]:
    expected = [{"labels": of, "value": value} for of, value in samples]
    return {"expr": expression, "eval_time": f"{minute * 60:.0f}s", "exp_samples": expected}


def complaint(rules: Mapping[str, Any], test: Mapping[str, Any], folder: Path) -> str:
    """What promtool says when a test of its kind is played to the rules; empty if all is as expected."""
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    played = {"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": [test]}
    (folder / "tests.yml").write_text(yaml.safe_dump(played))
    done = subprocess.run(
        [promtool(), "test", "rules", "tests.yml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "FAILED:" in done.stderr, done.stdout + done.stderr
    return done.stderr


def one(family: Family, values: str, suffix: str = "", **of: str) -> dict[str, str]:
    """One series of a family."""
    return {f"{family.name}{suffix}{labels({**of, **SCRAPED})}": values}


def calls(outcome: str, values: str) -> dict[str, str]:
    """Bookings that came to an outcome."""
    return one(catalogue.CALLS_TOTAL, values, **BOOKINGS, outcome=outcome)


def durations(**up_to: str) -> dict[str, str]:
    """Bookings by the seconds they took at most."""
    family = catalogue.CALL_DURATION
    every = [
        one(family, values, "_bucket", **BOOKINGS, le=le.removeprefix("s").replace("_", "."))
        for le, values in up_to.items()
    ]
    return {name: values for each in every for name, values in each.items()}


def scraped(
    snapshots: str = "1000+30x200", failing_since: str = "0x200", lag_s: str = "8x200", readable: str = "1x200"
) -> dict[str, str]:
    """What is there whenever a scrape is answered."""
    return {
        f"up{labels(SCRAPED)}": "1x200",
        **one(catalogue.SNAPSHOT_READABLE, readable),
        **one(catalogue.SNAPSHOT_TIMESTAMP, snapshots),
        **one(catalogue.INGEST_FAILING_SINCE, failing_since),
        **one(catalogue.INGEST_LAG_SECONDS, lag_s),
    }


def played(*phases: tuple[Snapshot | None, int]) -> Series:
    """What is scraped while the exposition is of one snapshot after the other, each for so many scrapes."""
    told = [(_samples(snapshot), scrapes) for snapshot, scrapes in phases]
    names = dict.fromkeys(name for samples, _ in told for name in samples)
    return {
        f"up{labels(SCRAPED)}": "1x200",
        **{name: " ".join(_stretch(samples.get(name), scrapes) for samples, scrapes in told) for name in names},
    }


def _samples(snapshot: Snapshot | None) -> dict[str, str]:
    """Values by series, with the labels that a scrape adds."""
    text = exposition(snapshot, release="r1", strategy="hybrid")
    told = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {_scraped(series): value for series, value in told}


def _scraped(series: str) -> str:
    name, _, own = series.rstrip("}").partition("{")
    return name + labels(SCRAPED).replace("{", f"{{{own}," if own else "{", 1)


def _stretch(value: str | None, scrapes: int) -> str:
    return f"stale _x{scrapes - 1}" if value is None else f"{value}x{scrapes - 1}"


def rounded(expression: str) -> str:
    """To hundredths, of the one series there is."""
    return f"round(sum({expression}), 0.01)"


APART = "0x59 1x7 2x7 3x7 4x120"
"""One more every four minutes, from half past on."""
NOW = datetime(2027, 1, 4, 10, tzinfo=UTC)


def a_past(succeeded: int, failed: int) -> Snapshot:
    """Of bookings that there were before."""
    series = [
        SeriesTotal.model_validate({**BOOKINGS, "outcome": outcome, "duration_ms_sum": calls, "buckets": {20: calls}})
        for outcome, calls in (("error", failed), ("success", succeeded))
    ]
    totals = Totals(series=series, dead_letters={"invalid": 70})
    return Snapshot(version=succeeded + failed, taken_at=NOW, totals=totals)


FAILING = Snapshot.empty(NOW).model_copy(update={"failing_since": NOW})
"""What a failing ingest keeps where there is no snapshot."""

SCENARIOS = (
    Scenario(
        "a healthy lab",
        scraped()
        | calls("success", "0+10x200")
        | calls("rejected", "0+10x200")
        | durations(**{"s0_0464": "0+19x200", "s1_0": "0+20x200", "+Inf": "0+20x200"}),
        {5: (), 60: (), 99: ()},
        [
            (30, rounded(recordings.SUCCESS_RATIO), 0.5),
            (30, rounded(REFUSALS_LATELY), 0.5),
            (30, rounded(ERRORS_LATELY), 0),  # and not nothing
            (30, rounded(recordings.CALLS_RATE), 0.67),
            (30, rounded(recordings.OUTCOMES_RATE + '{outcome="rejected"}'), 0.33),
            (30, rounded(recordings.quantile(catalogue.CALL_DURATION, 50)), 0.02),
            (30, rounded(recordings.quantile(catalogue.CALL_DURATION, 95)), 0.05),
            (30, rounded(recordings.INGEST_LAG), 8),
            (30, rounded(recordings.OPEN_LETTERS), 0),
        ],
    ),
    Scenario(
        "bookings begin to fail and are mended after half an hour",
        scraped() | calls("success", "0+10x200") | calls("error", "_x60 5+5x59 300x80"),
        {
            29: (),
            31: (),
            40: ("BookingErrorBudgetFast", "BookingErrorBudgetSlow"),
            59: ("BookingErrorBudgetFast", "BookingErrorBudgetSlow"),
            66: ("BookingErrorBudgetSlow",),
            95: (),
        },
        [
            (29.5, rounded(recordings.SUCCESS_RATIO), 1),
            (30.5, f"{rounded(recordings.SUCCESS_RATIO)} < bool 1", 1),
            (45, rounded(recordings.SUCCESS_RATIO), 0.67),
            (45, rounded(ERRORS_LATELY), 0.33),
            (66, rounded(recordings.SUCCESS_RATIO), 1),
        ],
    ),
    Scenario(
        "a few failures among many bookings",
        scraped() | calls("success", "0+100x200") | calls("error", "0x10 6x190"),
        {6: (), 10: (), 60: ()},
    ),
    Scenario(
        "four failures while the database wakes",
        scraped() | calls("error", "_x10 4x190"),
        {5.5: (), 9: (), 60: ()},
        [(6, rounded(recordings.of_calls(catalogue.ERRORS, "increase1h")), 4), (6, rounded(ERRORS_LATELY), 1)],
    ),
    Scenario(
        "five failures and nothing else",
        scraped() | calls("error", "_x10 5x190"),
        {4: (), 5.5: ("BookingErrorBudgetFast", "BookingErrorBudgetSlow"), 11: ("BookingErrorBudgetSlow",), 36: ()},
    ),
    Scenario(
        "an idle lab, as a night of trouble left it",
        scraped(snapshots="1000x200", lag_s="80000x200")
        | calls("success", "900x200")
        | calls("error", "500x200")
        | durations(**{"s10_0": "0x200", "+Inf": "1400x200"})
        | one(catalogue.DEAD_LETTERS_TOTAL, "7x200", reason="invalid")
        | one(catalogue.OPEN_DEAD_LETTERS, "7x200", reason="invalid"),
        {1: (), 6: (), 20: (), 60: (), 99: ()},
        [
            (30, recordings.SUCCESS_RATIO, None),
            (30, recordings.quantile(catalogue.CALL_DURATION, 95), None),
            (30, rounded(recordings.CALLS_RATE), 0),
            (30, rounded(recordings.OPEN_LETTERS), 7),
        ],
    ),
    Scenario(
        "a lab that nobody ever called",
        {f"up{labels(SCRAPED)}": "1x200"},
        {1: (), 60: ()},
        [(30, recordings.SUCCESS_RATIO, None)],
    ),
    Scenario(
        "a line is set aside and redriven",
        scraped()
        | one(catalogue.DEAD_LETTERS_TOTAL, "_x20 1x180", reason="invalid")
        | one(catalogue.OPEN_DEAD_LETTERS, "_x20 1x40", reason="invalid"),
        {9: (), 10.5: ("DeadLetters",), 14: ("DeadLetters",), 16: ()},
        [(9, rounded(recordings.OPEN_LETTERS), 0), (12, rounded(recordings.OPEN_LETTERS), 1)],
    ),
    Scenario(
        "the database is away for a minute, and one scrape sees it",
        scraped(failing_since="0x20 1762000000 0x180"),
        {10: (), 10.5: ("IngestFailing",), 14: ("IngestFailing",), 16: ()},
    ),
    Scenario(
        "the database is away and nobody calls any more",
        scraped(snapshots="1000x200", failing_since="0x20 1762000000x180"),
        {10: (), 10.5: ("IngestFailing",), 90: ("IngestFailing",)},
    ),
    Scenario(
        "ingest falls behind and catches up",
        scraped(lag_s="8x20 400x59 8x120"),
        {19: (), 21: ("IngestLagging",), 39: ("IngestLagging",), 41: ()},
    ),
    Scenario(
        "a redrive brings what waited for a day",
        scraped(snapshots="1000x19 1600x180", lag_s="8x19 80000x180"),
        {11: (), 20: (), 60: ()},
    ),
    Scenario(
        "the database is restored from an earlier day",
        scraped() | calls("success", "1000+10x59 10+10x140") | calls("error", "50x59 0x140"),
        {30: (), 31: (), 60: ()},
        [(32, rounded(recordings.CALLS_RATE), 0.33), (32, rounded(ERRORS_LATELY), 0)],
    ),
    Scenario(
        "Prometheus begins with a service that has a past",
        scraped() | calls("success", "90000x200") | calls("error", "9000x200"),
        {0.5: (), 1: (), 5: (), 60: ()},
        [(1, rounded(recordings.CALLS_RATE), 0), (30, rounded(recordings.CALLS_RATE), 0)],
    ),
    Scenario(
        "the snapshot is lost and written anew",
        scraped(snapshots="1000+30x19 stale _x19 2200+30x160")
        | calls("success", "90000x19 stale _x19 90000x160")
        | calls("error", "9000x19 stale _x19 9000x160"),
        {15: (), 20.5: (), 25: (), 60: ()},
        [(21, rounded(recordings.CALLS_RATE), 0)],
    ),
    Scenario(
        "the snapshot is lost while ingest fails",
        played((a_past(90_000, 9_000), 20), (None, 4), (FAILING, 16), (a_past(90_003, 9_000), 160)),
        {10: (), 15: ("IngestFailing",), 20.5: ("IngestFailing",), 25: (), 60: (), 99: ()},
        [(20.5, rounded(recordings.CALLS_RATE), 0), (21, rounded(recordings.CALLS_RATE), 0)],
    ),
    Scenario(
        "bookings become slow",
        scraped()
        | durations(s1_0="0+10x60 600x140", s2_154="0+10x60 600x140", s10_0="0+10x200", **{"+Inf": "0+10x200"}),
        {30: (), 32: ("BookingDuration",), 50: ("BookingDuration",)},
        [(29, rounded(recordings.quantile(catalogue.CALL_DURATION, 95)), 0.95)],
    ),
    Scenario(
        "one booking is slow",
        scraped() | durations(s1_0="0x200", s2_154="0x200", s10_0="0x60 1x140", **{"+Inf": "0x60 1x140"}),
        {32: (), 50: ()},
    ),
    Scenario(
        "two bookings of ten wake the database",
        scraped() | durations(s1_0="0x60 8x140", s2_154="0x60 8x140", s10_0="0x60 10x140", **{"+Inf": "0x60 10x140"}),
        {31: (), 40: (), 44: (), 50: ()},
    ),
    Scenario(
        "four slow bookings, four minutes apart, and nothing else",
        scraped() | durations(s1_0="0x200", s2_154="0x200", s10_0=APART, **{"+Inf": APART}),
        {32: (), 43: (), 45: (), 46: (), 50: (), 60: ()},
    ),
    Scenario(
        "five slow bookings and nothing else, the first that there are",
        scraped() | durations(s1_0="_x60 0x140", s2_154="_x60 0x140", s10_0="_x60 5x140", **{"+Inf": "_x60 5x140"}),
        {29: (), 31: ("BookingDuration",), 44: ("BookingDuration",), 46: ()},
    ),
    Scenario(
        "a few slow bookings among many",
        scraped()
        | durations(s1_0="0+20x200", s2_154="0+20x200", s10_0="0+20x60 1230+20x139", **{"+Inf": "0+20x60 1230+20x139"}),
        {31: (), 40: (), 60: ()},
    ),
    Scenario(
        "the snapshot cannot be read",
        scraped(snapshots="1000+30x20 stale _x39 2800+30x140", readable="1x20 0x40 1x140")
        | calls("success", "90000+10x20 stale _x39 90300+10x140")
        | calls("error", "9000x20 stale _x39 9000x140"),
        {10: (), 15: (), 16: ("SnapshotUnreadable",), 30: ("SnapshotUnreadable",), 31: (), 60: ()},
    ),
    Scenario(
        "nobody answers",
        {f"up{labels(SCRAPED)}": "1x20 0x40 1x20"} | calls("success", "0+10x20 stale _x39 300+10x20"),
        {10: (), 15: (), 16: ("ScrapeFailing",), 30: ("ScrapeFailing",), 31: ()},
    ),
)
