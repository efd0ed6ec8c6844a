"""`make deploy`: compiled layers, then the pinned CDK command line over all stacks."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from cdk import layers
from cdk.local import toolkit
from cdk.local.instance import Instance, LocalStackError
from cdk.local.processes import Family
from cdk.stage import ROOT


def main() -> None:
    """
    Deploy; arguments go on to `cdk deploy --all`.

    The release is named after the commit, so that every record and /metrics/prometheus say which one answered.
    """
    try:
        layers.build(release=True)
        cdk = asyncio.run(toolkit.install(Family(Instance.named("deploy"))))
    except (layers.LayerError, LocalStackError) as error:
        sys.exit(str(error))
    command: list[str | Path] = [toolkit.node(), cdk, "deploy", "--all", "-c", f"release={_release()}", *sys.argv[1:]]
    sys.exit(subprocess.run(command, cwd=ROOT, env=os.environ | toolkit.environment(), check=False).returncode)


def _release() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unversioned"


if __name__ == "__main__":
    main()
