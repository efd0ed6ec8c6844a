"""checkov, in an environment of its own: it wants older packages than the project has."""

import fcntl
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from cdk.local.instance import ROOT, LocalStackError

LOCK = Path(__file__).with_name("requirements.lock")
HOME = ROOT / ".run" / "tools" / "checkov"


class Finding(NamedTuple):
    """A rule that a resource breaks; the template by its file's name."""

    template: str
    resource: str
    rule: str


class Report(NamedTuple):
    """What is broken, and what is broken and accepted where it is."""

    failed: set[Finding]
    accepted: set[Finding]


def look(folder: Path) -> Report:
    """
    Hold every template of a folder to checkov's rules.

    Raises:
        LocalStackError: It cannot be had here, or cannot read a template.
    """
    options = ["--framework", "cloudformation", "--skip-download", "--compact", "--output", "json"]
    command: list[str | Path] = [_python(), "-m", "checkov.main", "--directory", folder, *options]
    looked = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        said = json.loads(looked.stdout)
        results, errors = said["results"], said["summary"]["parsing_errors"]
    except (ValueError, KeyError, TypeError) as error:
        raise LocalStackError(f"checkov said nothing of use: {looked.stdout}{looked.stderr}") from error
    if errors:
        raise LocalStackError(f"checkov cannot read {results['parsing_errors']}")
    return Report(_findings(results["failed_checks"]), _findings(results["skipped_checks"]))


def _findings(said: list[dict[str, Any]]) -> set[Finding]:
    return {
        Finding(Path(each["file_path"]).name, each["resource"].rpartition(".")[2], each["check_id"]) for each in said
    }


def _python() -> Path:
    """The environment's, made by uv unless it is there and by this lock."""
    python, made_by = HOME / "bin" / "python", HOME / "made-by.lock"
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with HOME.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not made_by.exists() or made_by.read_bytes() != LOCK.read_bytes():
            shutil.rmtree(HOME, ignore_errors=True)
            _uv("venv", "--quiet", "--python", sys.executable, str(HOME))
            _uv("pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(LOCK))
            # Last, so that what was cut short is not taken for a whole one.
            shutil.copyfile(LOCK, made_by)
    return python


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackError(f"checkov cannot be had: {done.stderr.strip()}")
