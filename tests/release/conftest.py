"""The release before this one, unpacked once a session."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.local.instance import Instance
from tests.release.previous import NoHistoryError, unpack


@pytest.fixture(scope="session")
def previous() -> Iterator[Path]:
    """Its tree; not where pytest's own folders are, which it closes to the database server's user."""
    folder = Instance.named(f"previous-{os.getpid()}").path("tree")
    try:
        yield unpack(folder)
    except NoHistoryError as error:
        pytest.skip(str(error))  # the test of the history fails, and says the same once
    finally:
        shutil.rmtree(folder.parent)
