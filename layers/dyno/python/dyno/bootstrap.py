"""What only the master user can do, once: the roles the functions log in as, who may come in at all, the extension."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 240
"""For all statements together: the function must answer CloudFormation before its own timeout of 300 s."""

WAKING = {
    "DatabaseResumingException",
    "DatabaseUnavailableException",
    "InternalServerErrorException",
    "ServiceUnavailableError",
    "StatementTimeoutException",
}
"""What the Data API says of a cluster that is waking up or was made a moment ago."""


@dataclass(frozen=True)
class Role:
    """
    A database role.

    Attributes:
        connections: How many sessions its functions may hold together.
        reads_only: Whether its transactions write nothing unless they ask to; what they may write, grants say.
        answers_within_ms: How long a statement may take; 0 for as long as it takes. Shorter than whoever asks waits:
            what they were told was not done is not done later.
    """

    name: str
    connections: int
    reads_only: bool = False
    answers_within_ms: int = 0


OWNER = Role("dyno_owner", 5)
DOOR_MS = 7_500
"""Just less than dyno.database.ANSWER_TIMEOUT_S."""
LOOKS_EVERY = "100ms"
"""How often the server looks whether whoever asked is still there: nothing is done, or waited for, in vain."""
ROLES = (
    OWNER,
    Role("dyno_allocations", 100, answers_within_ms=DOOR_MS),
    Role("dyno_metrics", 50, reads_only=True, answers_within_ms=DOOR_MS),
    Role("dyno_ingest", 50),
    Role("dyno_lifecycle", 5),
    Role("dyno_roi", 20),
    Role("dyno_notices", 5),
    Role("dyno_imports", 10),
    Role("dyno_import_jobs", 20),
    Role("dyno_exports", 20, reads_only=True, answers_within_ms=DOOR_MS),
)


def statements(database: str, *, iam: bool) -> Iterator[str]:
    """
    The statements, in order; running them again changes nothing.

    Args:
        database: Its name; whoever runs them owns it, and need be no superuser.
        iam: Whether the roles authenticate by IAM, as on RDS. Else they are left as the server's own rules say.
    """
    of_database = '"{}"'.format(database.replace('"', '""'))
    yield "create extension if not exists btree_gist"
    for role in ROLES:
        yield (
            f"do $$ begin create role {role.name} login; "
            "exception when duplicate_object or unique_violation then null; end $$"
        )
        yield f"alter role {role.name} connection limit {role.connections}"
        if role.reads_only:
            yield f"alter role {role.name} set default_transaction_read_only = on"
        yield f"alter role {role.name} set statement_timeout = {role.answers_within_ms}"
        yield f"alter role {role.name} set client_connection_check_interval = '{LOOKS_EVERY}'"
        if iam:
            yield f"grant rds_iam to {role.name}"
        yield f"grant connect on database {of_database} to {role.name}"
    yield f"revoke connect, temporary on database {of_database} from public"
    yield "revoke create on schema public from public"
    yield f"grant usage, create on schema public to {OWNER.name}"


def by_data_api(env: Mapping[str, str]) -> list[str]:
    """
    Make the roles through the RDS Data API, waking the cluster if it sleeps.

    Args:
        env: CLUSTER_ARN, SECRET_ARN (the master's), DATABASE_NAME.
    Returns:
        The roles' names.
    """
    import boto3  # noqa: PLC0415  # only here, and only on AWS

    api = boto3.client("rds-data")
    give_up_at = time.monotonic() + PATIENCE_S
    asked = {"resourceArn": env["CLUSTER_ARN"], "secretArn": env["SECRET_ARN"], "database": env["DATABASE_NAME"]}
    for sql in statements(env["DATABASE_NAME"], iam=True):
        while not _done(api, give_up_at, **asked, sql=sql):
            time.sleep(2)
    return [role.name for role in ROLES]


def _done(api: Any, give_up_at: float, **statement: str) -> bool:  # noqa: ANN401  # boto3 makes its classes while it runs
    """Whether a statement was executed; False if it is worth another try."""
    try:
        api.execute_statement(**statement)
    except api.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in WAKING or time.monotonic() > give_up_at:
            raise
        return False
    return True


def by_connection(env: Mapping[str, str]) -> list[str]:
    """
    Make the roles over a connection of the superuser, where the server trusts its own machine.

    Args:
        env: DATABASE_HOST, DATABASE_PORT, DATABASE_NAME.
    Returns:
        The roles' names.
    """
    import pg8000.dbapi  # noqa: PLC0415  # only here, and never on AWS

    connection = pg8000.dbapi.connect(
        "postgres", env["DATABASE_HOST"], env["DATABASE_NAME"], int(env["DATABASE_PORT"]), timeout=10
    )
    connection.autocommit = True
    try:
        for sql in statements(env["DATABASE_NAME"], iam=False):
            connection.cursor().execute(sql)
    finally:
        connection.close()
    return [role.name for role in ROLES]
