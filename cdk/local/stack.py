"""What was deployed and where it answers, noted in the stack's folder for the other commands."""

from dataclasses import asdict, dataclass

from cdk.local.instance import LOOPBACK, Instance, LocalStackError

API_PREFIX = "/_aws/execute-api/dyn0dyn0/prod"
"""Where ministack serves the API whose id cdk/local/stage.py fixes."""
_NOTE = "stack.json"


@dataclass(frozen=True)
class Stack:
    """
    A deployed local stack.

    Attributes:
        fingerprint: Of the code and ports it was deployed from.
        functions: Physical names by folder in functions/.
        port: The front's.
    """

    fingerprint: str
    database_port: int
    aws_port: int
    user_pool_id: str
    web_client_id: str
    scraper_client_id: str
    functions: dict[str, str]
    port: int = 0

    @property
    def url(self) -> str:
        """Where users reach the API."""
        return f"http://localhost:{self.port}"

    @property
    def api(self) -> str:
        """Where the front reaches it."""
        return f"http://{LOOPBACK}:{self.aws_port}{API_PREFIX}"

    def note(self, instance: Instance) -> None:
        """Write it down."""
        instance.write(_NOTE, asdict(self))


def noted(instance: Instance) -> Stack | None:
    """The stack that was deployed last; None before the first."""
    note = instance.read(_NOTE)
    return Stack(**note) if note else None


def running(instance: Instance) -> Stack:
    """
    The stack that is running now.

    Raises:
        LocalStackError: None is.
    """
    stack = noted(instance)
    if stack is None or instance.holder() is None:
        raise LocalStackError("nothing is running here; start it with: make run")
    return stack
