"""The release before this one, out of git's history."""

import subprocess
from pathlib import Path

from cdk.stage import ROOT

NAMED = Path(__file__).with_name("previous.txt")
"""Names the commit that is deployed; whoever lands a release writes its commit there with the first change after it."""


class NoHistoryError(Exception):
    """The release before this one is not to be had; says why, and what to do."""


def commit(named: Path = NAMED) -> str:
    """The commit of the release before this one."""
    return named.read_text().strip()


def missing(release: str) -> str:
    """What to say of a release that is not in the history, and what to do about it."""
    return (
        f"the release before this one, {release[:12]} by {NAMED.relative_to(ROOT)}, is not in this clone's history: "
        "`git fetch --unshallow` brings it, SKIP=history leaves this out"
    )


def unpack(folder: Path, *, release: str | None = None, repository: Path = ROOT) -> Path:
    """
    Put the release's files into a folder.

    Raises:
        NoHistoryError: git does not have it, as in a shallow clone.
    """
    release = release or commit()
    archive = subprocess.run(["git", "archive", release], cwd=repository, capture_output=True, check=False)
    if archive.returncode:
        raise NoHistoryError(missing(release))
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
    return folder


def environment(tree: Path, *also: Path) -> dict[str, str]:
    """Variables by which Python takes the service's code from a tree, and not from where it is installed."""
    path = (tree, tree / "layers" / "dyno" / "python", *also)
    return {"PYTHONPATH": ":".join(map(str, path))}
