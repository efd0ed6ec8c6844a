import shutil
from collections.abc import Iterator

import httpx
import pytest

from cdk.local.instance import Instance
from cdk.local.processes import end_leftovers
from tests.e2e.site import Site, free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at the whole run comes at its end."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """A stack started from nothing, as on a fresh clone, and stopped whatever happens."""
    instance = Instance.named("test")
    end_leftovers(instance)
    shutil.rmtree(instance.folder, ignore_errors=True)
    site = Site(instance, free_port())
    try:
        print(f"\nlocal stack ready after {site.start():.1f} s")  # noqa: T201  # a figure to watch
        yield site
    finally:
        if site.process and site.process.poll() is None:
            site.stop()
        end_leftovers(instance)
    shutil.rmtree(instance.folder, ignore_errors=True)


@pytest.fixture(scope="session", params=("cloudwatch", "hybrid", "prometheus"))
def strategy(request: pytest.FixtureRequest, site: Site) -> str:
    """A monitoring strategy that is deployed now, over what was before; pytest runs all that take it one by one."""
    name = str(request.param)
    if site.process and site.process.poll() is None:
        site.stop()
    site.start("make", "run", f"STACK={site.instance.folder.name}", f"PORT={site.port}", f"STRATEGY={name}")
    return name


@pytest.fixture
def user(site: Site) -> Iterator[httpx.Client]:
    with site.client("user") as client:
        yield client


@pytest.fixture
def admin(site: Site) -> Iterator[httpx.Client]:
    with site.client("admin") as client:
        yield client


@pytest.fixture
def nobody(site: Site) -> Iterator[httpx.Client]:
    with site.client(None) as client:
        yield client
