"""`make cost`: what each strategy costs at several traffics, from its own templates; offline."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from cdk.app import build
from cdk.bill.bill import Bill, bill
from cdk.bill.inventory import Templates, UnpricedError
from cdk.bill.notice import templates
from cdk.bill.report import chart, document, tables
from cdk.bill.traffic import Traffic
from cdk.layers import LAYERS
from cdk.options import Strategy, WrongOptionError

REQUESTS = (10_000, 100_000, 1_000_000, 100_000_000)

Context = Mapping[str, str]


def main() -> None:
    """Print the comparison; `-c key=value` as the CLI takes it, `-c traffic=` for one traffic only."""
    parser = argparse.ArgumentParser(prog="make cost", description="What each strategy costs a month.")
    parser.add_argument("-c", "--context", action="append", default=[], type=_choice, metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true", help="every item, for machines")
    given = parser.parse_args()
    try:
        bills = list(compare(dict(given.context)))
    except (WrongOptionError, UnpricedError) as error:
        sys.exit(str(error))
    if given.json:
        print(json.dumps(document(bills), indent=1))
    else:
        _show(bills)


def compare(context: Context) -> Iterator[Bill]:
    """
    The bill of each strategy at each traffic, strategy by strategy.

    Raises:
        WrongOptionError: Some choice cannot be deployed or reckoned with.
        UnpricedError: A template holds what no price is known of.
    """
    traffics = [context] if "traffic" in context else [{**context, "traffic": str(each)} for each in REQUESTS]
    for strategy in Strategy:
        made = synthesized({**context, "monitoring": strategy})
        for traffic in traffics:
            yield bill(made, Traffic.from_context(traffic), strategy)


def synthesized(context: Context) -> Templates:
    """A deployment's templates, with empty layers: they cost nothing, and building them takes the network."""
    with tempfile.TemporaryDirectory() as folder:
        for name in LAYERS:
            layer = Path(folder) / name / "python"
            layer.mkdir(parents=True)
            (layer / "empty.py").touch()
        app = build({"layers": folder, **context}, str(Path(folder) / "cdk.out"))
        return templates(app.synth())


def _show(bills: Sequence[Bill]) -> None:
    console = Console()
    console.print(tables(bills))
    for line in chart(bills):
        console.print(line)


def _choice(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE")
    return key, value


if __name__ == "__main__":
    main()
