"""The life of a command that stays: children started and watched until it is told to stop, then all of them ended."""

import asyncio
import os
import re
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

import psutil

from cdk.local import processes
from cdk.local.processes import Family
from cdk.local.steps import Steps

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def lead(
    family: Family,
    live: Coroutine[None, None, None],
    steps: Steps,
    ended: Callable[[Mapping[str, bool]], None] = lambda _: None,
) -> None:
    """
    Stay until told to stop.

    Args:
        live: Starts the children, and may stay itself.
        ended: Is told of each child whether it ended well.
    Raises:
        LocalStackError: They could not start, or one ended by itself.
    """
    told = asyncio.create_task(_told_to_stop())
    await asyncio.sleep(0)  # from here on signals are heard
    if left := await asyncio.to_thread(processes.end_leftovers, family.instance):
        steps.say(f"[yellow]![/] ended {left} processes of a run that was killed")
    life = asyncio.create_task(_watched(family, live))
    await asyncio.wait({life, told}, return_when=asyncio.FIRST_COMPLETED)
    steps.say("[dim]· stopping …[/]")
    life.cancel()
    await asyncio.wait({life})
    ended(await asyncio.to_thread(family.stop))
    steps.say("[green]✓[/] stopped")
    if not told.done():
        told.cancel()
        life.result()


async def _watched(family: Family, live: Coroutine[None, None, None]) -> None:
    """Ends by an error or by being cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(family.watch())
            await live
    except ExceptionGroup as errors:
        raise _first(errors) from None


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
