"""`make run`: everything started, side by side where it can be, watched, and stopped together."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from cdk.local import aws, deploy, lab, life, postgres, stack, users, warm
from cdk.local.front import Front, Upstream
from cdk.local.instance import LOOPBACK, Instance, Ports, reserve
from cdk.local.processes import Family
from cdk.local.scraper import Scraper
from cdk.local.stack import Stack
from cdk.local.steps import Steps


async def supervise(instance: Instance, port: int, strategy: str, steps: Steps) -> None:
    """
    Run a local stack until it is told to stop.

    Args:
        strategy: Monitoring strategy, as `-c monitoring=` takes it.
    Raises:
        LocalStackError: It could not start, or a part of it ended by itself.
    """
    with instance.claimed(), reserve(port) as bound:
        family = Family(instance)
        await life.lead(family, _live(family, bound, strategy, steps), steps, partial(_note_saved, instance))


def _note_saved(instance: Instance, ended_well: Mapping[str, bool]) -> None:
    if aws.NAME in ended_well:
        aws.note_saved(instance, saved=ended_well[aws.NAME])


async def _live(family: Family, bound: socket.socket, strategy: str, steps: Steps) -> None:
    """Start everything, open the front last, and stay."""
    deployed = await _start(family, bound.getsockname()[1], strategy, steps)
    tokens = {role: await asyncio.to_thread(users.token, family.instance, deployed, role) for role in users.ROLES}
    await steps.step("warm-up", warm.up(deployed, tokens["admin"]))
    await steps.step("enrolment", asyncio.to_thread(users.enrol, family.instance, deployed, tokens))
    secret = await asyncio.to_thread(deploy.scraper_secret, deployed)
    scraper = Scraper(deployed.aws_port, deployed.scraper_client_id, secret)
    front = Front(Upstream(LOOPBACK, deployed.aws_port, stack.API_PREFIX.encode()), scraper.token)
    async with front.serving(bound):
        steps.ready(deployed, tokens)
        await asyncio.Event().wait()


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
