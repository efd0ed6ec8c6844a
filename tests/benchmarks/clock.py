"""How long a call takes that is too short for a clock: many of them, one after the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import repeat

WARM_UP = 200
"""Calls before the first that counts: caches are filled, and the interpreter has specialised its code."""


def per_call_us(call: Callable[[], object], calls: int) -> float:
    """What one of `calls` calls takes on average, in µs, the loop around it included."""
    for _ in repeat(None, min(calls, WARM_UP)):
        call()
    began_s = time.perf_counter()
    for _ in repeat(None, calls):
        call()
    return (time.perf_counter() - began_s) / calls * 1e6


def per_await_us(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """The same of a coroutine function, within one event loop."""

    async def sample() -> float:
        for _ in repeat(None, min(calls, WARM_UP)):
            await call()
        began_s = time.perf_counter()
        for _ in repeat(None, calls):
            await call()
        return (time.perf_counter() - began_s) / calls * 1e6

    return asyncio.run(sample())
