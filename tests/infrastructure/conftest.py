"""The templates of every strategy and of this machine, each synthesized once a session."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdk.app import synthesize
from cdk.layers import LAYERS
from tests.infrastructure.template import Templates

STRATEGIES = ("cloudwatch", "prometheus", "hybrid")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # A synth costs seconds: one worker does them all.
            item.add_marker(pytest.mark.xdist_group("infrastructure"))


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins for the built layers, so that no test needs the network."""
    folder = tmp_path_factory.mktemp("layers")
    for name in LAYERS:
        (folder / name / "python").mkdir(parents=True)
        (folder / name / "python" / "stand_in.py").write_text(f'"""In place of {name}."""\n')
    return folder


@pytest.fixture(scope="session")
def deployment(layers: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Templates]:
    """Synthesizes a deployment by its context, once."""
    made: dict[str, Templates] = {}

    def of(**context: str) -> Templates:
        key = json.dumps(context, sort_keys=True)
        if key not in made:
            outdir = tmp_path_factory.mktemp("cdk.out")
            synthesize({"layers": str(layers), **context}, str(outdir))
            made[key] = Templates.read(outdir)
        return made[key]

    return of


@pytest.fixture(scope="session", params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="session")
def each(strategy: str, deployment: Callable[..., Templates]) -> Templates:
    """The AWS templates, of one strategy after the other."""
    return deployment(monitoring=strategy)


@pytest.fixture(scope="session")
def aws(deployment: Callable[..., Templates]) -> Templates:
    """The AWS templates as deployed by default."""
    return deployment(monitoring="cloudwatch")


@pytest.fixture(scope="session")
def local(deployment: Callable[..., Templates]) -> Templates:
    """The templates of this machine."""
    return deployment(stage="local", database_port="5433")
