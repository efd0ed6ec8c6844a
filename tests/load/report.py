"""What is said of a run."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from statistics import mean, median

from rich.console import Console
from rich.table import Table

from tests.load.asks import GONE, Answered
from tests.load.invariants import lost_calls
from tests.load.mix import MIX
from tests.load.run import Went
from tests.load.soak import growth_mb
from tests.prove.history import Outcome

MOST_SHOWN = 20


def show(went: Went, console: Console) -> None:
    """Everything: what was asked, how fast it was answered, what was done to it, and what was found."""
    console.print(_of_kinds(went), _of_routes(went.evidence.answered))
    if went.wanted.minutes is not None:
        console.print(_of_minutes(went))
    for line in summary(went):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    for finding in went.findings[:MOST_SHOWN]:
        console.print(f"[red]✗[/] [bold]{finding.rule}[/]: {finding.says}", highlight=False, soft_wrap=True)
    if len(went.findings) > MOST_SHOWN:
        console.print(f"… and {len(went.findings) - MOST_SHOWN} more", highlight=False)


def summary(went: Went) -> Iterator[str]:
    """A run in a few lines."""
    evidence, answered = went.evidence, went.evidence.answered
    printed = evidence.printed
    faults = Counter(fault.what for fault in evidence.faults)
    booked = sum(call.outcome is Outcome.ACKNOWLEDGED and call.answer is not None for call in evidence.calls)
    replayed = sum(call.replayed for call in evidence.calls)
    yield (
        f"{len(answered)} requests in {went.took_s:.0f} s, {len(answered) / went.took_s:.0f} a second, by"
        f" {went.wanted.workers} environments; {booked} of the lab acknowledged, {replayed} answered again by their key"
    )
    yield (
        f"done to it: {faults['kill']} sessions ended, {faults['crash']} crashes of the server, {faults['killed']}"
        f" environments killed, {faults['thawed']} frozen and thawed with a dead connection"
    )
    yield f"batches of lines: {_counted(went.fates)}; ingest refused {_counted(went.refused) or 'none'}"
    yield f"by night: {_counted(went.nights)}"
    yield (
        f"calls: {sum(printed.events.values())} printed and {printed.torn} torn; {len(lost_calls(evidence))} lost in"
        f" {faults['killed']} killed environments"
    )
    rows = sum(report.get("rows_added", 0) for report in evidence.redriven)
    yield f"redriven in the end: {rows} rows that had not arrived"
    sessions = ", ".join(f"{role} {there} of {may}" for role, (there, may) in evidence.sessions.items())
    yield f"sessions in the end: {sessions}"


def _of_kinds(went: Went) -> Table:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for each in went.evidence.answered:
        told = "gone" if each.status == GONE else f"{each.status} {each.code or ''}".strip()
        counted[each.ask.kind][told] += 1
    table = Table("kind", "of 1,000", "asked", "answered")
    for kind, weight in MIX.items():
        said = counted[kind]
        table.add_row(kind, str(weight), str(said.total()), _counted(said))
    return table


def _of_routes(answered: Iterable[Answered]) -> Table:
    took_ms: dict[str, list[float]] = defaultdict(list)
    for each in answered:
        if each.status != GONE:
            took_ms[each.ask.route].append((each.ended_at - each.started_at) * 1000)
            took_ms["all"].append(took_ms[each.ask.route][-1])
    table = Table("route", "answers", "p50 ms", "p95 ms", "p99 ms", "most ms")
    for route, those in sorted(took_ms.items()):
        those.sort()
        ranks = (those[int(rank * (len(those) - 1))] for rank in (0.5, 0.95, 0.99, 1))
        table.add_row(route, str(len(those)), *(f"{took:.1f}" for took in ranks))
    return table


def _of_minutes(went: Went) -> Table:
    table = Table("minute", "requests", "environments", "RSS MB, all", "most", "sessions", "partitions", "files, most")
    for sample in went.samples:
        table.add_row(
            str(sample.minute),
            str(sample.requests),
            str(len(sample.environments)),
            f"{sample.rss_mb:.0f}",
            f"{max(each.rss_mb for each in sample.environments):.1f}",
            str(sample.sessions),
            str(sample.partitions),
            str(max(each.files for each in sample.environments)),
        )
    grown = growth_mb(went.samples)
    if grown:
        table.caption = (
            f"growth per 1,000 requests of {len(grown)} environments: median {median(grown):.3f} MB,"
            f" mean {mean(grown):.3f} MB, most {max(grown):.3f} MB"
        )
    return table


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.most_common())
