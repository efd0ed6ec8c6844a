"""Catches the record lines that measured code prints."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class Recorded(list[dict[str, Any]]):
    """Records in the order they were written; `lines` as they were."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @property
    def one(self) -> dict[str, Any]:
        assert len(self) == 1, self
        return self[0]

    def of(self, method: str) -> dict[str, Any]:
        (record,) = (record for record in self if record["method"] == method)
        return record


@contextmanager
def recording() -> Iterator[Recorded]:
    recorded = Recorded()
    out = io.StringIO()
    with mock.patch.object(sys, "stdout", out):
        yield recorded
    recorded.lines = out.getvalue().splitlines(keepends=True)
    recorded.extend(json.loads(line) for line in recorded.lines)
