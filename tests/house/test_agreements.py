"""What two places say, they say alike."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from cdk.constructs.api import PROBLEMS
from cdk.routes import ROUTES, Admission
from dyno.auth import Permission
from dyno.errors import DynoError
from dyno.settings import Settings
from tests.doors import name, routes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GENERATED = {".git", ".venv", ".run", "cdk.out", "__pycache__"}


def sources(*patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        for path in ROOT.rglob(pattern):
            if not GENERATED & set(path.relative_to(ROOT).parts) and not path.name.startswith(".mypy"):
                yield path


def test_the_gateway_and_the_doors_have_the_same_routes() -> None:
    gateway = {(route.method, route.path, route.function) for route in ROUTES}
    doors = {(*route.split(), name(door)) for route, door, _ in routes()}

    assert gateway == doors


def test_the_gateway_admits_whom_the_doors_expect() -> None:
    asked = {route: function.__dict__["permission"] for route, _, function in routes()}
    kinds = {Permission.PUBLIC: Admission.PUBLIC, Permission.SCRAPE: Admission.SCRAPER}

    for route in ROUTES:
        assert route.admission is kinds.get(asked[f"{route.method} {route.path}"], Admission.USER), route


def documented(readme: str) -> dict[str, str]:
    """Route to permission, by the README's table of the API."""
    return dict(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)` \| ([^|]+) \|", readme, re.MULTILINE))


def guarded() -> dict[str, str]:
    """Route to permission, by the doors themselves."""
    words = {
        Permission.PUBLIC: "public",
        Permission.SIGNED_IN: "any signed-in person",
        Permission.SCRAPE: "scope metrics/read",
    }
    return {
        route: words.get(permission, str(permission))
        for route, _, function in routes()
        for permission in [function.__dict__["permission"]]
    }


def test_every_route_takes_the_permission_the_readme_says() -> None:
    assert guarded() == documented(README)


def test_a_route_with_another_permission_would_be_noticed() -> None:
    planted = README.replace("| `GET /metrics/performance` | view:metrics |", "| `GET /metrics/performance` | public |")

    assert documented(planted) != documented(README)
    assert guarded() != documented(planted)


def test_every_make_target_of_the_readme_exists() -> None:
    named = set(re.findall(r"\bmake (?:-s )?([a-z-]+)", README))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named - there == set()
    assert {"run", "test"} <= named


def errors(of: type[DynoError]) -> set[str]:
    return {of.code}.union(*(errors(narrower) for narrower in of.__subclasses__()))


def test_every_error_is_explained_and_none_that_is_not_there() -> None:
    rows = [line.split("|")[2] for line in (ROOT / "docs/errors.md").read_text().splitlines() if line.startswith("| ")]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}

    assert explained == errors(DynoError) | {problem.code for problem in PROBLEMS.values()}


def test_the_layers_ship_what_the_tests_ran_with() -> None:
    locks = [
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("layers/dependencies/requirements.lock", "layers/sheets/requirements.lock", "requirements.lock")
    ]

    assert (locks[0].items() | locks[1].items()) - locks[2].items() == set()
    assert locks[0].keys() & locks[1].keys() == set()
    assert len(locks[0]) > 10
    assert locks[1].keys() == {"defusedxml", "et-xmlfile", "icalendar", "openpyxl"}


def test_every_event_is_somebodys() -> None:
    said = "".join(path.read_text() for path in sources("*.py", "Makefile"))

    for event in (ROOT / "events").glob("*.json"):
        assert event.name in said or event.stem in said, event.name


def test_every_setting_is_given_by_the_infrastructure() -> None:
    text = "".join((ROOT / "cdk/constructs" / name).read_text() for name in ("environment.py", "tracking.py"))
    given = set(re.findall(r'"([A-Z_]+)"', text)) | {"AWS_REGION"}  # the runtime gives that one

    assert {field.name.upper() for field in fields(Settings)} - given == set()


def test_the_top_level_holds_only_what_belongs_there() -> None:
    folders = {"functions", "cdk", "layers", "tests", "events", "docs", ".ci"}
    files = {"README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "Makefile", "cdk.json", "pyproject.toml"}
    belongs = folders | files | {"requirements.lock", ".gitignore"} | GENERATED
    caches = {path.name for path in ROOT.iterdir() if path.name.endswith("_cache") or path.name == ".hypothesis"}

    assert {path.name for path in ROOT.iterdir()} - belongs - caches == set()


def test_the_house_speaks_of_itself_alone_and_leaves_nothing_undone() -> None:
    forbidden = re.compile(
        r"\.\./shared|/work/|\bTODO\b|\bFIXME\b|NotImplementedError|@pytest\.mark\.(skip|xfail)|index-url ="
    )
    itself = Path(__file__)

    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sources("*.py", "*.md", "*.sql", "*.toml", "*.json", "*.lock", "Makefile")
        if path != itself
        for match in forbidden.finditer(path.read_text())
    ]

    assert found == []
