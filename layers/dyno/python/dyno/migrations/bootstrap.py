"""What only the master user can do, once: the roles the functions log in as, and the extension."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """A database role; `connections` bounds how many sessions its functions may hold together."""

    name: str
    connections: int


OWNER = Role("dyno_owner", 5)
ROLES = (OWNER, Role("dyno_allocations", 100), Role("dyno_metrics", 50), Role("dyno_ingest", 50))


def statements(*, iam: bool) -> Iterator[str]:
    """
    The statements, in order; running them again changes nothing.

    Args:
        iam: Whether the roles authenticate by IAM, as on RDS. Else they are left as the server's own rules say.
    """
    yield "create extension if not exists btree_gist"
    for role in ROLES:
        yield (
            f"do $$ begin create role {role.name} login; "
            "exception when duplicate_object or unique_violation then null; end $$"
        )
        yield f"alter role {role.name} connection limit {role.connections}"
        if iam:
            yield f"grant rds_iam to {role.name}"
    yield f"grant usage, create on schema public to {OWNER.name}"
