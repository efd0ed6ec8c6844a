"""A stdout that forgets what it is told, the same for whoever writes to it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO


@contextmanager
def stdout_to_nowhere() -> Iterator[TextIO]:
    """Every line leaves the process at once, as in Lambda, whether or not its writer remembers to flush."""
    with Path(os.devnull).open("w", buffering=1) as nowhere, redirect_stdout(nowhere):
        yield nowhere


def written(call: Callable[[], object], nowhere: TextIO) -> str:
    """What a call leaves on that stdout."""
    descriptor = nowhere.fileno()
    forgetting = os.dup(descriptor)
    with tempfile.TemporaryFile() as kept:
        # The descriptor, not sys.stdout: some writers hold on to the file they first saw.
        os.dup2(kept.fileno(), descriptor)
        try:
            call()
            nowhere.flush()
        finally:
            os.dup2(forgetting, descriptor)
            os.close(forgetting)
        kept.seek(0)
        return kept.read().decode()
