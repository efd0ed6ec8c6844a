"""`make run`: everything started, side by side where it can be, watched, and stopped together."""

import asyncio
import os
import re
import signal
import socket
from dataclasses import replace
from pathlib import Path

import psutil

from cdk.local import aws, deploy, lab, postgres, processes, stack, users, warm
from cdk.local.front import Front, Upstream
from cdk.local.instance import LOOPBACK, Instance, Ports, reserve
from cdk.local.processes import Family
from cdk.local.scraper import Scraper
from cdk.local.stack import Stack
from cdk.local.steps import Steps

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def supervise(instance: Instance, port: int, strategy: str, steps: Steps) -> None:
    """
    Run a local stack until it is told to stop.

    Args:
        strategy: Monitoring strategy, as `-c monitoring=` takes it.
    Raises:
        LocalStackError: It could not start, or a part of it ended by itself.
    """
    told = asyncio.create_task(_told_to_stop())
    await asyncio.sleep(0)  # from here on signals are heard
    with instance.claimed(), reserve(port) as bound:
        if left := await asyncio.to_thread(processes.end_leftovers, instance):
            steps.say(f"[yellow]![/] ended {left} processes of a run that was killed")
        family = Family(instance)
        life = asyncio.create_task(_live(family, bound, strategy, steps))
        await asyncio.wait({life, told}, return_when=asyncio.FIRST_COMPLETED)
        steps.say("[dim]· stopping …[/]")
        life.cancel()
        await asyncio.wait({life})
        ended_well = await asyncio.to_thread(family.stop)
        if aws.NAME in ended_well:
            aws.note_saved(instance, saved=ended_well[aws.NAME])
        steps.say("[green]✓[/] stopped")
    if not told.done():
        told.cancel()
        life.result()


async def _live(family: Family, bound: socket.socket, strategy: str, steps: Steps) -> None:
    """Start everything, open the front last, and stay; ends by an error or by being cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(family.watch())
            deployed = await _start(family, bound.getsockname()[1], strategy, steps)
            tokens = {
                role: await asyncio.to_thread(users.token, family.instance, deployed, role) for role in users.ROLES
            }
            await steps.step("warm-up", warm.up(deployed, tokens["admin"]))
            await steps.step("enrolment", asyncio.to_thread(users.enrol, family.instance, deployed, tokens))
            secret = await asyncio.to_thread(deploy.scraper_secret, deployed)
            scraper = Scraper(deployed.aws_port, deployed.scraper_client_id, secret)
            front = Front(Upstream(LOOPBACK, deployed.aws_port, stack.API_PREFIX.encode()), scraper.token)
            async with front.serving(bound):
                steps.ready(deployed, tokens)
                await asyncio.Event().wait()
    except ExceptionGroup as group_of_errors:
        raise _first(group_of_errors) from None


async def _start(family: Family, port: int, strategy: str, steps: Steps) -> Stack:
    """Everything behind the front: parts, stacks, lab and people."""
    ports = family.instance.ports()
    code = await asyncio.to_thread(deploy.fingerprint, ports, strategy)
    kept = stack.noted(family.instance)
    if kept and (kept.fingerprint != code or not aws.remembers(family.instance)):
        kept = None
    assembly = await _parts(family, ports, steps, None if kept else strategy)
    is_kept = kept is not None and await asyncio.to_thread(deploy.is_there, kept)
    if kept and is_kept:
        deployed = kept
    else:
        assembly = assembly or await _prepare(family, ports, steps, strategy)  # it lost what we thought it had
        deployed = await steps.step("deploy", deploy.deploy(family, assembly, ports, code))
    deployed = replace(deployed, port=port)
    deployed.note(family.instance)
    async with asyncio.TaskGroup() as group:
        group.create_task(steps.step("sample lab", asyncio.to_thread(lab.load, family.instance, ports.database)))
        group.create_task(steps.step("users", asyncio.to_thread(users.ensure, family.instance, deployed)))
    return deployed


async def _parts(family: Family, ports: Ports, steps: Steps, strategy: str | None) -> Path | None:
    """PostgreSQL, the local AWS and, if a strategy is to be deployed, its templates, side by side."""
    async with asyncio.TaskGroup() as group:
        database = asyncio.to_thread(postgres.start, family, ports.database)
        group.create_task(steps.step("PostgreSQL", database, f"{LOOPBACK}:{ports.database}"))
        group.create_task(_account(family, ports, steps, bootstrap=strategy is not None))
        if strategy:
            assembly = group.create_task(steps.step("synth", deploy.synthesize(family, ports, strategy)))
    return assembly.result() if strategy else None


async def _account(family: Family, ports: Ports, steps: Steps, *, bootstrap: bool) -> None:
    await steps.step("local AWS", aws.start(family, ports.aws), f"{LOOPBACK}:{ports.aws}")
    if bootstrap:
        await steps.step("bootstrap", deploy.bootstrap(family, ports))


async def _prepare(family: Family, ports: Ports, steps: Steps, strategy: str) -> Path:
    assembly = await steps.step("synth", deploy.synthesize(family, ports, strategy))
    await steps.step("bootstrap", deploy.bootstrap(family, ports))
    return assembly


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; the rest went wrong because of it."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _told_to_stop() -> None:
    """Wait for a signal, or for `make` to have got one."""
    told = asyncio.Event()
    for each in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(each, told.set)
    parent = psutil.Process().parent()
    if parent is None or parent.name() not in {"make", "gmake"}:
        await told.wait()
        return
    listens = _listens(parent.pid)  # not to Ctrl-C if it was started in the background
    while not told.is_set() and os.getppid() == parent.pid and _listens(parent.pid) == listens:
        await asyncio.sleep(processes.POLL_S * 4)


def _listens(make: int) -> bool | None:
    """
    Whether `make` has a handler for Ctrl-C; None where that cannot be seen.

    Interrupted alone, it waits for us without a word. What it does first can be seen: it gives up its handler.
    Source:
        GNU Make 4.3, commands.c, fatal_error_signal; proc(5), SigCgt.
    """
    try:
        status = Path(f"/proc/{make}/status").read_text()
    except OSError:
        return None
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught and bool(int(caught[1], 16) & 1 << signal.SIGINT - 1)
