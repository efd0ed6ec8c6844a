"""The whole deployment: `cdk deploy --all`, on AWS or, with `-c stage=local`, on this machine."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from cdk import layers
from cdk.bill import notice
from cdk.local import stage as this_machine
from cdk.options import Options, StageName, WrongOptionError
from cdk.stacks.data import DataStack
from cdk.stacks.monitoring import MonitoringStack
from cdk.stacks.service import ServiceStack
from cdk.stage import ROOT, Stage


def build(context: Mapping[str, Any] | None = None, outdir: str | None = None) -> App:
    """
    The app with its three stacks, not yet synthesized.

    Args:
        context: As given by -c; the CLI's own and cdk.json's come on top and below.
        outdir: Where templates go; the CLI's choice, else a temporary folder.
    Raises:
        WrongOptionError: Some choice cannot be deployed.
    """
    flags = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=flags | dict(context or {}), outdir=outdir, analytics_reporting=False)
    chosen = app.node.get_all_context()
    if chosen.get("stage") == StageName.LOCAL:
        add_stacks(app, Options.from_context(chosen | this_machine.CHOICES), this_machine.local(chosen))
    else:
        add_stacks(app, Options.from_context(chosen), _aws(chosen))
    return app


def add_stacks(app: App, options: Options, stage: Stage) -> None:
    """Data, service and monitoring, in the order they are deployed."""
    data = DataStack(app, f"{options.name}-Data", options=options, stage=stage)
    service = ServiceStack(app, f"{options.name}-Service", options=options, stage=stage, data=data)
    MonitoringStack(app, f"{options.name}-Monitoring", options=options, data=data, service=service)
    if stage.checked:
        check(app)


def check(app: App) -> None:
    """Have a synth fail on whatever AwsSolutions finds and no reason excuses."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def synthesize(context: Mapping[str, Any] | None = None, outdir: str | None = None) -> str:
    """Write the templates; for this machine, without what its emulator does not know. Returns their folder."""
    app = build(context, outdir)
    assembly = app.synth()
    chosen = app.node.get_all_context()
    options = Options.from_context(chosen)
    if options.stage is StageName.LOCAL:
        this_machine.drop_unsupported(assembly.directory)
    else:
        notice.tell(assembly, chosen, options.monitoring)
    return assembly.directory


def _aws(context: Mapping[str, Any]) -> Stage:
    built = layers.given(context["layers"]) if "layers" in context else layers.build()
    return Stage(dependencies=built.dependencies, dyno=built.dyno, sheets=built.sheets)


if __name__ == "__main__":
    try:
        synthesize(outdir=os.environ.get("CDK_OUTDIR", "cdk.out"))
    except (WrongOptionError, layers.LayerError) as error:
        sys.exit(str(error))
