"""`make deploy`: compiled layers and what they hold, then the pinned CDK command line over all stacks."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from cdk import layers, sbom
from cdk.local import toolkit
from cdk.local.instance import Instance, LocalStackError
from cdk.local.processes import Family
from cdk.stage import ROOT


def main() -> None:
    """Deploy; arguments go on to `cdk deploy --all`."""
    try:
        built = layers.build(release=True)
        sbom.write(layers.BUILT / "sbom.json", built.dependencies.path, sbom.release())
        cdk = asyncio.run(toolkit.install(Family(Instance.named("deploy"))))
    except (layers.LayerError, LocalStackError) as error:
        sys.exit(str(error))
    command: list[str | Path] = [
        toolkit.node(),
        cdk,
        "deploy",
        "--all",
        "-c",
        f"release={sbom.release()}",
        *sys.argv[1:],
    ]
    sys.exit(subprocess.run(command, cwd=ROOT, env=os.environ | toolkit.environment(), check=False).returncode)


if __name__ == "__main__":
    main()
