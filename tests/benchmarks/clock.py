"""How long a call takes that is too short for a clock: many of them, one after the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import repeat

BURSTS = 8
"""A sample is that many bursts, of which the fastest counts: the others shared their core with somebody. The first also
fills caches and lets the interpreter specialise its code."""


def per_call_us(call: Callable[[], object], calls: int) -> float:
    """What one of `calls` calls takes, in µs, the loop around it included."""
    burst = max(1, calls // BURSTS)
    return min(_burst_s(call, burst) for _ in range(BURSTS)) / burst * 1e6


def per_await_us(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """The same of a coroutine function, within one event loop."""
    burst = max(1, calls // BURSTS)

    async def sample_s() -> float:
        return min([await _awaited_burst_s(call, burst) for _ in range(BURSTS)])

    return asyncio.run(sample_s()) / burst * 1e6


def _burst_s(call: Callable[[], object], calls: int) -> float:
    began_s = time.perf_counter()
    for _ in repeat(None, calls):
        call()
    return time.perf_counter() - began_s


async def _awaited_burst_s(call: Callable[[], Awaitable[object]], calls: int) -> float:
    began_s = time.perf_counter()
    for _ in repeat(None, calls):
        await call()
    return time.perf_counter() - began_s
