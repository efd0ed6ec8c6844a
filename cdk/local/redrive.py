"""What did not reach the database handed to ingest again, by the deployed function, and its report for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from cdk.local import invoke, stack
from cdk.local.instance import Instance, LocalStackError


def run(instance: Instance, since: str | None, console: Console) -> None:
    """
    Redrive, and print what came of it.

    Args:
        since: Where to begin in the log, an ISO instant; as nightly if it is None.
    Raises:
        LocalStackError: Nothing runs, or something is left that could not be redriven.
    """
    report = invoke.call(stack.running(instance), "redrive", {"since": since} if since else {})
    console.print(table(report))
    if not report["complete"]:
        raise LocalStackError(f"Not everything could be redriven: {report['reason']}.")
    console.print(verdict(report), highlight=False)


def table(report: dict[str, Any]) -> Table:
    """The report's numbers, a line for each place that was looked at."""
    batches, letters, log = report["failed_batches"], report["dead_letters"], report["log"]
    shown = Table(show_header=False, box=None, padding=(0, 2))
    shown.add_row("failed batches", str(batches["found"]), f"{batches['replayed']} replayed, {batches['left']} left")
    shown.add_row("dead letters", str(letters["looked_at"]), f"{letters['recovered']} recovered")
    shown.add_row(
        "lines in the log", str(log["lines"]), f"from {log['since']} to {log['until']}, {log['failed']} batches failed"
    )
    shown.add_row("records added", str(report["rows_added"]), f"{report['duplicates']} lines had arrived before")
    shown.add_row("new dead letters", str(report["new_dead_letters"]), "")
    return shown


def verdict(report: dict[str, Any]) -> str:
    """What a complete run comes to, in a sentence."""
    missing = report["rows_added"] + report["new_dead_letters"]
    found = f"{missing} lines were missing; now" if missing else "Nothing was missing:"
    left = report["failed_batches"]["left"]
    strange = f"; left in the failed batches' bucket, being none: {left}" if left else ""
    return f"{found} every line logged in that time is in the database, once{strange}."
