"""What the user sees while the stack starts: each step as it ends, and how long it took."""

import time
from collections.abc import Awaitable
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from cdk.local.stack import Stack
from cdk.local.users import ROLES
from dyno.metrics import catalogue

T = TypeVar("T")


class Steps:
    """The voice of the supervisor; `console` is where it speaks."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    async def step(self, name: str, work: Awaitable[T], said: str = "") -> T:
        """Do some work and say how long it took; a text it gives is said too, else `said`."""
        start = time.monotonic()
        self.say(f"[dim]· {name} …[/]")
        result = await work
        told = result if isinstance(result, str) else said
        self.say(f"[green]✓[/] {name:<12} {time.monotonic() - start:5.1f} s  [dim]{escape(told)}[/]")
        return result

    def say(self, markup: str) -> None:
        """Print a line as it is, however wide the terminal."""
        self._console.print(markup, soft_wrap=True, highlight=False)

    def ready(self, stack: Stack, tokens: dict[str, str]) -> None:
        """The last word of a start: where things are and what to type."""
        self.say(f"\n[bold green]Ready[/] after {time.monotonic() - self._started:.1f} s; Ctrl-C stops everything.\n")
        self.say(f"  the API      [bold]{stack.url}[/]")
        self.say(f"  local AWS    http://localhost:{stack.aws_port}")
        self.say(f"  PostgreSQL   postgresql://postgres@127.0.0.1:{stack.database_port}/dyno\n")
        for role in ROLES:
            self.say(f"A token of role [bold]{role}[/], valid 24 hours (again by: make -s token ROLE={role}):")
            self.say(f"{tokens[role]}\n")
        self.say("TOKEN=$(make -s token ROLE=admin)")
        for line in curl_lines(stack.url):
            self.say(escape(line))


def curl_lines(url: str) -> tuple[str, str, str]:
    """Three commands that show what the service does; the first wants $TOKEN."""
    return (
        f'curl -H "Authorization: Bearer $TOKEN" {url}/metrics/performance',
        f"curl {url}/metrics/prometheus | grep {catalogue.CALLS_TOTAL.name}",
        f"curl {url}/health/ready",
    )
