from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.prometheus.tower import Tower
from tests.shells import SYSTEM


@pytest.fixture
def tower(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tower]:
    """Empty folders; every process started there ends with the test."""
    tower = Tower(tmp_path / "tower", shell=getattr(request, "param", SYSTEM))
    yield tower
    tower.end()
