"""`python -m cdk.local run|monitor|token|invoke|demo|roi|redrive|backfill|clean`: what make calls on this machine."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from cdk.local.instance import Instance, LocalStackError


def main() -> None:
    """Do what the command line says; a fault the user can mend is one plain line."""
    arguments = _parser().parse_args()
    try:
        arguments.do(Instance.named(arguments.stack), arguments)
    except LocalStackError as error:
        Console(stderr=True).print(f"[red]✗[/] {error}", soft_wrap=True, highlight=False)
        sys.exit(1)


def _run(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import steps, supervisor  # noqa: PLC0415  # `make token` needs none of it

    asyncio.run(supervisor.supervise(instance, arguments.port, arguments.strategy, steps.Steps(Console())))


def _monitor(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import monitor, steps  # noqa: PLC0415

    ports = monitor.Ports(arguments.prometheus_port, arguments.grafana_port)
    asyncio.run(monitor.supervise(instance, ports, steps.Steps(Console())))


def _token(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import stack, users  # noqa: PLC0415

    print(users.token(instance, stack.running(instance), arguments.role))


def _invoke(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import invoke  # noqa: PLC0415

    invoke.invoke(instance, arguments.name, arguments.event)


def _demo(instance: Instance, _: argparse.Namespace) -> None:
    from cdk.local import demo  # noqa: PLC0415

    demo.run(instance, Console())


def _roi(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import roi  # noqa: PLC0415

    wanted = roi.Wanted(arguments.month, arguments.preset, arguments.start, arguments.end)
    roi.run(instance, wanted, Console(), url=arguments.url, token=arguments.token, html=arguments.html)


def _redrive(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import redrive  # noqa: PLC0415

    redrive.run(instance, arguments.since, Console())


def _backfill(instance: Instance, arguments: argparse.Namespace) -> None:
    from cdk.local import backfill  # noqa: PLC0415

    backfill.run(instance, arguments.since, arguments.until, Console())


def _clean(_: Instance, __: argparse.Namespace) -> None:
    from cdk.local import clean  # noqa: PLC0415

    clean.forget_all()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cdk.local", description=__doc__)
    parser.add_argument("--stack", default="run", help="which stack, by its folder in .run/")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run")
    run.add_argument("--port", type=int, default=8000)
    run.add_argument("--strategy", choices=("cloudwatch", "prometheus", "hybrid"), default="cloudwatch")
    run.set_defaults(do=_run)
    monitor = commands.add_parser("monitor")
    monitor.add_argument("--prometheus-port", type=int, default=9090)
    monitor.add_argument("--grafana-port", type=int, default=3000)
    monitor.set_defaults(do=_monitor)
    token = commands.add_parser("token")
    token.add_argument("--role", default="user")
    token.set_defaults(do=_token)
    invoke = commands.add_parser("invoke")
    invoke.add_argument("--name", required=True)
    invoke.add_argument("--event", required=True)
    invoke.set_defaults(do=_invoke)
    commands.add_parser("demo").set_defaults(do=_demo)
    roi = commands.add_parser("roi")
    roi.add_argument("--month", help="YYYY-MM; everything if no period is given")
    roi.add_argument("--from", dest="start", help="first day, YYYY-MM-DD")
    roi.add_argument("--to", dest="end", help="last day; today if not given")
    roi.add_argument("--preset", help="an example instead: activity, time-study, dashboard or programme")
    roi.add_argument("--url", help="of a deployment's API; the stack that runs here if not given")
    roi.add_argument("--token", help="an ID token of that deployment")
    roi.add_argument("--html", type=Path, help="file to save the printable page in")
    roi.set_defaults(do=_roi)
    redrive = commands.add_parser("redrive")
    redrive.add_argument(
        "--since", help="ISO instant with its offset; 26 hours ago, or where an earlier run did not get, if not given"
    )
    redrive.set_defaults(do=_redrive)
    backfill = commands.add_parser("backfill")
    backfill.add_argument("--since", help="a day of the first month, YYYY-MM-DD; the first with anything if not given")
    backfill.add_argument("--until", help="one of the last; today if not given")
    backfill.set_defaults(do=_backfill)
    commands.add_parser("clean").set_defaults(do=_clean)
    return parser


if __name__ == "__main__":
    main()
