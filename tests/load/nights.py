"""What is done by the clock, as EventBridge Scheduler and a patient operator do it."""

import json
import time
from collections import Counter
from datetime import UTC, datetime

from tests.functions.conftest import EVENTS
from tests.load.asks import Function
from tests.load.client import Budget
from tests.load.fleet import LONG_S, Fleet
from tests.prove.history import Json

NIGHTS = (0.4, 0.75)
"""How much is done when it is night."""

TRIES = 5
"""Lambda's, and those of the nights behind."""


class Nights:
    """
    The scheduled functions.

    Attributes:
        ran: What came of each time that one of them was called.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.ran: Counter[str] = Counter()
        self._fleet = fleet

    def pass_through(self, budget: Budget) -> None:
        """Have all of them run whenever so much is done."""
        for share in NIGHTS:
            while budget.share() < share:
                time.sleep(0.2)
            if budget.stopped:
                return
            self.run(Function.LIFECYCLE, Function.REDRIVE, Function.ROI)

    def run(self, *functions: Function) -> dict[str, tuple[int, str]]:
        """Have these run by their real events, each until it did well; gives 200 if it did, or 500 and why not."""
        return {f"{function} by night": self._run(function) for function in functions}

    def _run(self, function: Function) -> tuple[int, str]:
        event, what = json.loads((EVENTS / f"{function}.json").read_text()), ""
        for _ in range(TRIES):
            said = self._fleet.invoke(function, event, LONG_S).said
            what = "killed" if said is None else said.error["errorType"] if said.error else "done"
            self.ran[f"{function} {what}"] += 1
            if what == "done":
                return 200, what
            time.sleep(1)
        return 500, what

    def redrive(self, since_ms: int, until_ms: int) -> Json:
        """The report of a redrive of this part of the log, done again until it is complete."""
        event = {"since": _instant(since_ms), "until": _instant(until_ms)}
        report: Json = {}
        for _ in range(TRIES):  # its connection may have died with the last fault
            said = self._fleet.invoke(Function.REDRIVE, event, LONG_S).said
            report = (said and said.answer) or {"reason": str(said and said.error)}
            if report.get("complete"):
                break
        return report


def _instant(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds")
