"""
What the monitoring task reads, as one shell script that unpacks itself.

A script, because the image it runs in has neither unzip nor tar; and it fills in what is only known where it runs.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cdk.monitoring.grafana import provisioning
from cdk.monitoring.prometheus.config import RULES_FILE, config, placeholder
from cdk.monitoring.prometheus.rules import rules

SCRIPT = "content.sh"
PREPARE = "scripts/prepare.sh"

_SCRIPTS = Path(__file__).parent / "scripts"
_PLACEHOLDER = re.compile(r"@([A-Z][A-Z_]+)@")

_HEAD = """\
#!/bin/sh
# Writes what the monitoring task reads below $CONTENT_HOME, then has it prepared for who reads it.
set -eu
umask 022
: "${{CONTENT_HOME:=/content}}"

missing=
for name in {variables}; do
  eval "value=\\${{$name:-}}"
  [ -n "$value" ] || missing="$missing $name"
done
if [ -n "$missing" ]; then
  echo "content.sh: not set:$missing" >&2
  exit 1
fi

mkdir -p "$CONTENT_HOME"
cd "$CONTENT_HOME"
export CONTENT_HOME="$PWD"
mkdir -p {folders}
"""


def files(*, runbook: str = "docs/runbook.md", remote_write: bool = False) -> dict[str, str]:
    """
    What is below /content, text by path, in order of paths; `@NAME@` stands for an environment variable.

    Args:
        runbook: Where docs/runbook.md is read; linked to if it is an address.
        remote_write: Whether Amazon Managed Prometheus gets a copy.
    """
    found = {
        "prometheus/prometheus.yml": _yaml(config(remote_write=remote_write)),
        f"prometheus/{RULES_FILE}": _yaml(rules(runbook)),
        **{f"scripts/{path.name}": path.read_text() for path in _SCRIPTS.glob("*.sh")},
        **provisioning.files(runbook, placeholder("CONTENT_HOME")),
    }
    return dict(sorted(found.items()))


def script(*, runbook: str = "docs/runbook.md", remote_write: bool = False) -> str:
    """
    A POSIX shell script that writes the files and fills them in; it exits with 1 and says which variables are missing.

    Args:
        runbook: Where docs/runbook.md is read; linked to if it is an address.
        remote_write: Whether Amazon Managed Prometheus gets a copy.
    """
    return unpacking(files(runbook=runbook, remote_write=remote_write))


def write(folder: Path, *, runbook: str = "docs/runbook.md", remote_write: bool = False) -> Path:
    """The script as a file in a folder."""
    path = folder / SCRIPT
    path.write_text(script(runbook=runbook, remote_write=remote_write))
    return path


def unpacking(of: Mapping[str, str]) -> str:
    """
    The script that writes these files, prepare.sh among them.

    Args:
        of: Text by path; each ends with a newline.
    """
    variables = sorted({name for text in of.values() for name in _PLACEHOLDER.findall(text)})
    folders = sorted({str(Path(path).parent) for path in of})
    head = _HEAD.format(variables=" ".join(variables), folders=" ".join(folders))
    end = _delimiter(of)
    return "\n".join((head, *(_written(path, text, end) for path, text in of.items()), f"exec sh {PREPARE}", ""))


def _delimiter(of: Mapping[str, str]) -> str:
    """A line that none of the files has."""
    lines = {line for text in of.values() for line in text.split("\n")}
    end = "END"
    while end in lines:
        end += "_"
    return end


def _written(path: str, text: str, end: str) -> str:
    """A here-document: one that is filled in has the shell put in its variables, and nothing else."""
    if not _PLACEHOLDER.search(text):
        return f"cat > {path} <<'{end}'\n{text}{end}"
    filled = _PLACEHOLDER.sub(r"${\1}", re.sub(r"([\\$`])", r"\\\1", text))
    return f"cat > {path} <<{end}\n{filled}{end}"


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=10_000)
