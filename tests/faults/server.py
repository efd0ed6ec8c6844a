"""A PostgreSQL of these tests' own, which may be stopped, and as short of connections and of patience as Aurora is."""

import contextlib
import signal
from collections.abc import Iterator

from cdk.local import postgres
from tests.prove import server

FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
"""
How a server is told to stop: to end every session first, or as if it crashed.

Source:
    PostgreSQL's documentation, "Shutting Down the Server".
"""


class Stoppable(server.Server):
    """A server that may be away for a while."""

    def stop(self, how: signal.Signals) -> None:
        """End it; nobody listens at its port after that."""
        self._child.process.send_signal(how)
        self._child.process.wait()
        self._family.children.remove(self._child)

    def start(self) -> None:
        """Have it back, with what was committed."""
        self._child = postgres.start(self._family, self.port, durable=False)

    def set(self, name: str, value: str | int) -> None:
        """A parameter, as the cluster's parameter group does; of some the server hears at its next start only."""
        self.run(f"alter system set {name} = '{value}'")
        self.run("select pg_reload_conf()")


@contextlib.contextmanager
def running() -> Iterator[Stoppable]:
    """A server with the template of labs, which leaves nothing behind."""
    with server.running(Stoppable, "faults") as made:
        yield made
        made.stop(IMMEDIATE)
