"""The bill in two lines, where templates are made."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk.cx_api import CloudAssembly

from cdk.bill.bill import bill
from cdk.bill.inventory import Templates
from cdk.bill.report import summary
from cdk.bill.traffic import Traffic
from cdk.options import Strategy


def templates(assembly: CloudAssembly) -> Templates:
    """What a synth made; a folder alone may hold templates of others."""
    return {stack.stack_name: json.loads(Path(stack.template_full_path).read_text()) for stack in assembly.stacks}


def tell(assembly: CloudAssembly, context: Mapping[str, Any], strategy: Strategy) -> None:
    """Print the bill to stderr, as stdout is the CLI's; whatever goes wrong in that is said there too, and no more."""
    try:
        print(summary(bill(templates(assembly), Traffic.from_context(context), strategy)), file=sys.stderr)
    except Exception as error:  # noqa: BLE001  # no deployment fails for a bill
        print(f"No bill: {error}", file=sys.stderr)
