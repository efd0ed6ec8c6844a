"""What is said of a run."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from tests.prove.history import Outcome
from tests.prove.lab import Went
from tests.prove.replay import Finding

MOST_SHOWN = 12
OUTCOMES = (Outcome.ACKNOWLEDGED, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.BROKEN)


def show(runs: Sequence[Went], console: Console) -> None:
    """Operations by kind and outcome, and why they were refused; what was done to them; what was checked."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    why: dict[str, Counter[str]] = defaultdict(Counter)
    for call in (call for went in runs for call in went.calls):
        counted[call.request.kind][call.outcome] += 1
        if call.outcome is Outcome.REFUSED:
            why[call.request.kind][str(call.code)] += 1
    table = Table("kind", *OUTCOMES, "refused for")
    for kind, of in counted.items():
        reasons = ", ".join(f"{code} {count}" for code, count in why[kind].most_common())
        table.add_row(kind, *(str(of[outcome]) for outcome in OUTCOMES), reasons)
    console.print(table)
    console.print(summary(runs), highlight=False)


def summary(runs: Sequence[Went]) -> str:
    """A run in a few lines."""
    calls = [call for went in runs for call in went.calls]
    faults = Counter(fault.what for went in runs for fault in went.faults)
    took_s = sum(went.took_s for went in runs)
    dry, again = sum(call.request.dry_run for call in calls), sum(call.replayed for call in calls)
    entries = sum(len(went.kept.entries) for went in runs)
    taken = sum(len(went.kept.taken) for went in runs)
    return (
        f"{len(calls)} operations in {took_s:.0f} s, {len(calls) / took_s:.0f} a second; {dry} dry, {again} replayed\n"
        f"{faults['kill']} connections killed, {faults['crash']} servers crashed\n"
        f"checked: {taken} bookings and windows, {entries} entries of their history, and every answer"
    )


def verdict(went: Went, console: Console) -> None:
    """Whether a lab stood it; if not, what was found, each with the entries and the calls that show it."""
    mark, found = ("[red]✗[/]", len(went.findings)) if went.findings else ("[green]✓[/]", "nothing")
    pace = f"{len(went.calls)} operations in {went.took_s:.0f} s"
    console.print(f"{mark} {went.regime.name}: {pace}, {found} found", highlight=False)
    for finding in went.findings[:MOST_SHOWN]:
        console.print(f"\n[bold]{finding.rule}[/]: {finding.says}", highlight=False, soft_wrap=True)
        for line in evidence(went, finding):
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    if len(went.findings) > MOST_SHOWN:
        console.print(f"\n… and {len(went.findings) - MOST_SHOWN} more", highlight=False)


def evidence(went: Went, finding: Finding) -> Iterator[str]:
    """The rows and the calls that show it, in order of time, and what is there in the end."""
    for entry in went.kept.entries:
        if entry.occupancy_id in finding.occupancies or entry.actor in finding.owners:
            changed = {
                name: str(value)
                for name, value in (entry.after or {}).items()
                if entry.before is None or entry.before.get(name) != value
            }
            what = f"{entry.action} of {entry.occupancy_id} by {entry.actor}"
            yield f"entry {entry.id} at {entry.at:.3f}: {what}: {changed}"
    for call in went.calls:
        if call.request.owner in finding.owners:
            asked = f"{call.request.kind} {call.request.name} {call.request.asked} key={call.request.key}"
            told = f"{call.outcome} {call.code or ''} {call.said or call.answer or ''}"
            when = f"{call.started_at:.3f} to {call.ended_at:.3f}"
            yield f"call over {call.connection}, {when}: {asked}{' dry' * call.request.dry_run} → {told}"
    for number in sorted(finding.occupancies):
        yield f"in the end: { ({name: str(value) for name, value in went.kept.final.get(number, {}).items()}) }"
