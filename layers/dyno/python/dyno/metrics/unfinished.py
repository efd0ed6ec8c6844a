"""Where a run of redrive did not get, kept for the next one: no night is lost because it was cut off."""

from datetime import datetime

from dyno.metrics.leftovers import UNFINISHED_KEY, Leftovers
from dyno.metrics.redriven import Asked, LogLines, to_the_millisecond
from dyno.observability import logger


class Unfinished:
    """
    The instant, kept beside the failed batches as the event that asks for the rest.

    It is written before a run begins and taken away when one is through: killed at any point between, it is still
    there. Of two runs at once, neither takes away what it did not cover.
    """

    def __init__(self, leftovers: Leftovers) -> None:
        self._leftovers = leftovers

    def since(self) -> datetime | None:
        """
        Where the first run that did not finish is to be gone on with; None if nothing is left.

        Raises:
            Unavailable: It cannot be read.
        """
        kept = self._leftovers.read(UNFINISHED_KEY)
        if kept is None:
            return None
        try:
            return Asked.model_validate_json(kept).since
        except ValueError:
            logger.error("what was left unfinished cannot be read", extra={"key": UNFINISHED_KEY})
            return None

    def begin(self, log: LogLines) -> None:
        """
        Remember a run that begins.

        Raises:
            Unavailable: It cannot be kept.
        """
        kept = self.since()
        if kept is None or log.since < kept:
            self._keep(log.since)

    def end(self, log: LogLines, now: datetime) -> None:
        """
        Remember what a run left, or forget what it did.

        Args:
            now: When it began; behind a period that ends earlier, nothing was done.
        Raises:
            Unavailable: It cannot be kept.
        """
        kept = self.since()
        left = log.go_on_since
        if kept is not None and not log.since <= kept < log.until:
            left = min(kept, left or kept)
        elif kept is not None and left is None and log.until < to_the_millisecond(now):
            left = log.until
        if left is None and kept is not None:
            self._leftovers.delete(UNFINISHED_KEY)
        elif left is not None and left != kept:
            self._keep(left)

    def _keep(self, since: datetime) -> None:
        self._leftovers.keep(UNFINISHED_KEY, Asked(since=since).model_dump_json(include={"since"}).encode())
