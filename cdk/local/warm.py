"""The first call of every door, made before users make theirs: a cold worker takes seconds."""

import asyncio
import time
from http import HTTPStatus

import httpx

from cdk.local.instance import LocalStackError
from cdk.local.stack import Stack

READY_S = 60


async def up(stack: Stack, token: str) -> None:
    """
    Wait until the API says it is ready, with a worker of each door started.

    Raises:
        LocalStackError: It did not; says what it answered last.
    """
    timeout = httpx.Timeout(30)
    async with httpx.AsyncClient(base_url=stack.api, timeout=timeout, trust_env=False) as client:
        signed_in = {"Authorization": f"Bearer {token}"}
        await asyncio.gather(
            _ready(client),
            client.get("/dynos", headers=signed_in),
            client.get("/metrics/roi?preset=activity", headers=signed_in),
        )


async def _ready(client: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + READY_S
    while (answer := await client.get("/health/ready")).status_code != HTTPStatus.OK:
        if time.monotonic() > deadline:
            raise LocalStackError(f"the API is not ready: {answer.status_code} {answer.text}")
        await asyncio.sleep(0.2)
