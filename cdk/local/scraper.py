"""The scraper's access token, fetched by its client's secret and kept until shortly before it ends."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx

from cdk.local import aws

SCOPE = "metrics/read"
EARLY_S = 60


@dataclass
class Scraper:
    """
    The machine client of the user pool.

    Attributes:
        aws_port: Where the local AWS answers.
    """

    aws_port: int
    client_id: str
    client_secret: str
    _token: str = ""
    _ends: float = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self) -> str:
        """
        A valid access token.

        Raises:
            ConnectionError: The local AWS gave none.
        """
        async with self._lock:
            if time.monotonic() > self._ends - EARLY_S:
                await self._fetch()
            return self._token

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.post(
                    f"{aws.endpoint(self.aws_port)}/oauth2/token",
                    data={"grant_type": "client_credentials", "scope": SCOPE},
                    auth=(self.client_id, self.client_secret),
                )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise ConnectionError(f"no token for the scraper: {error}") from error
        granted = answer.json()
        self._token, self._ends = granted["access_token"], time.monotonic() + granted["expires_in"]
