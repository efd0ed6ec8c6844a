"""The totals as Prometheus reads them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby

from dyno.metrics import catalogue
from dyno.metrics.catalogue import BUCKET_COUNT, EXPOSED_BUCKETS, FAMILIES, Family, bound_s
from dyno.metrics.form import FORMS, TEXT, Form, head
from dyno.metrics.model import LabActivity, ObservationTotal, SeriesTotal, Snapshot
from dyno.metrics.observed import observed

_HEADS = {(family, form): head(family, form) for family in FAMILIES for form in FORMS}

# Alike in both forms, so that a bucket is one series in whichever it is scraped.
_BOUNDS = [(bucket, f',le="{bound_s(bucket)}"}}') for bucket in EXPOSED_BUCKETS]

_Samples = dict[Family, Iterable[str]]
"""The lines of each family, newlines included."""


def exposition(
    snapshot: Snapshot | None, *, release: str, strategy: str, form: Form = TEXT, readable: bool = True
) -> str:
    """
    Every family of the catalogue, then the business metrics; without a snapshot, what is counted has no sample.

    Args:
        snapshot: Its series in order of service and method, its observations of name, kind and unit.
        readable: Whether it was read; False if there may be one all the same.
    Source:
        Prometheus text exposition format 0.0.4; OpenMetrics 1.0.
    """
    said: _Samples = dict.fromkeys(FAMILIES, ())
    for info in (catalogue.BUILD_INFO, catalogue.AGENT_INFO):
        said[info] = [_sample(info, 1, release, strategy)]
    said[catalogue.SNAPSHOT_READABLE] = [_sample(catalogue.SNAPSHOT_READABLE, int(readable))]
    if snapshot:
        said |= _calls(snapshot.totals.series) | _pipeline(snapshot) | _lab(snapshot.totals.lab)
        said |= _business(snapshot.totals.observations)
    text: list[str] = []
    for family, lines in said.items():
        text.append(_HEADS.get((family, form)) or head(family, form))
        text += lines
    return "".join(text) + form.end


def _calls(series: Sequence[SeriesTotal]) -> _Samples:
    histograms = [
        (service, _histogram(_labels(catalogue.CALL_DURATION.labels, (service, method)), list(outcomes)))
        for (service, method), outcomes in groupby(series, key=lambda each: (each.service, each.method))
    ]
    ours = catalogue.ALLOCATION_SERVICE
    return {
        catalogue.CALLS_TOTAL: [
            _sample(catalogue.CALLS_TOTAL, each.calls, each.service, each.method, each.outcome) for each in series
        ],
        catalogue.CALL_DURATION: [_named(catalogue.CALL_DURATION, each) for _, each in histograms],
        catalogue.ALLOCATION_REQUESTS: [
            _sample(catalogue.ALLOCATION_REQUESTS, each.calls, each.outcome, ours, each.method)
            for each in series
            if each.service == ours
        ],
        catalogue.ALLOCATION_DURATION: [
            _named(catalogue.ALLOCATION_DURATION, each) for service, each in histograms if service == ours
        ],
    }


def _pipeline(snapshot: Snapshot) -> _Samples:
    totals, lag_s, failing = snapshot.totals, snapshot.ingest_lag_s, snapshot.failing_since
    # What counts nothing dates nothing: to Prometheus' rules, counters that are away while this is there began with 0.
    taken = [_sample(catalogue.SNAPSHOT_TIMESTAMP, snapshot.taken_at.timestamp())] if snapshot.version else []
    return {
        catalogue.DEAD_LETTERS_TOTAL: _by_reason(catalogue.DEAD_LETTERS_TOTAL, totals.dead_letters),
        catalogue.OPEN_DEAD_LETTERS: _by_reason(catalogue.OPEN_DEAD_LETTERS, totals.open_dead_letters),
        catalogue.INGEST_LAG_SECONDS: [] if lag_s is None else [_sample(catalogue.INGEST_LAG_SECONDS, lag_s)],
        catalogue.INGEST_FAILING_SINCE: [
            _sample(catalogue.INGEST_FAILING_SINCE, failing.timestamp() if failing else 0)
        ],
        catalogue.SNAPSHOT_TIMESTAMP: taken,
    }


def _by_reason(family: Family, letters: Mapping[str, int]) -> list[str]:
    return [_sample(family, count, reason) for reason, count in letters.items()]


def _lab(lab: LabActivity | None) -> _Samples:
    if lab is None:
        return {}
    said = {
        catalogue.ACTIVE_USERS: lab.active_users,
        catalogue.HOURS_SAVED: lab.hours_saved,
        catalogue.COST_SAVINGS: lab.cost_savings_usd,
    }
    return {family: [_sample(family, value)] for family, value in said.items() if value is not None}


def _business(totals: Sequence[ObservationTotal]) -> _Samples:
    return {
        family: [f"{family.name}{_braced(_labels(labels, labels.values()))} {value!r}\n" for labels, value in series]
        for family, series in observed(totals).items()
    }


def _sample(family: Family, value: float, *labels: str) -> str:
    return f"{family.name}{_braced(_labels(family.labels, labels))} {value!r}\n"


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _labels(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)])


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _histogram(labels: str, outcomes: Sequence[SeriesTotal]) -> list[str]:
    """The lines of a histogram without the name of its family, which `_named` puts in front of each."""
    counts = [0] * BUCKET_COUNT
    for each in outcomes:
        for bucket, calls in each.buckets.items():
            counts[bucket] += calls
    so_far = list(accumulate(counts))
    begun = f"_bucket{{{labels}"
    return [
        *[f"{begun}{bound} {so_far[bucket]}\n" for bucket, bound in _BOUNDS],
        f'{begun},le="+Inf"}} {so_far[-1]}\n',
        f"_sum{{{labels}}} {sum([each.duration_ms_sum for each in outcomes]) / 1000!r}\n",
        f"_count{{{labels}}} {so_far[-1]}\n",
    ]


def _named(family: Family, histogram: Sequence[str]) -> str:
    return family.name + family.name.join(histogram)
