"""One connection a process, opened late, discarded when idle, signed for by IAM; and what its errors mean."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import pg8000.dbapi
from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, func
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from dyno import driver
from dyno.errors import AccountDisabled, DatabaseResuming, DatabaseUnavailable, Unavailable
from dyno.observability import current_request, logger
from dyno.rds_token import rds_token
from dyno.settings import DatabaseAuth, Settings
from dyno.snapstart import before_snapshot

CONNECT_TIMEOUT_S = 8
"""A paused cluster takes about 15 s to wake; callers are told to come back before the gateway gives up at 29 s."""

IDLE_LIMIT_S = 45
"""Wall-clock age at which an unused connection is not trusted any more; the server closes its side at 60 s."""

ANSWER_TIMEOUT_S = 8
"""How long a request may be at it, connecting included; its caller is told to come back before the gateway gives up."""

_TRY_AGAIN = {"40", "53", "57"}
"""
Classes of SQLSTATE: undone for another's sake, insufficient resources (connections too), operator's intervention.

Source:
    PostgreSQL's documentation, "PostgreSQL Error Codes".
"""
NOTICE_WAITS = "DY010"
"""What the server says beside its answer to whatever has a notice written; see the migration of notices."""

BELL = "dyno-notice/1"
"""The word by which a log subscription finds the line that says so."""

_ADMIT = driver.Prepared("select where not admit($1)")
_NOT_ADMITTED = "DY403"
"""Asked before the first statement of a request, and what is said of whoever an admin has disabled."""

_NOT_BELIEVED = "28"
"""The class of what is wrong with who we say we are: of a token, that a clock is wrong or AWS does not know it yet."""

_made: list[Engine] = []
"""As many as a process has settings."""


@cache
def engine(settings: Settings, answer_timeout_s: float | None = ANSWER_TIMEOUT_S) -> Engine:
    """
    The process's engine: at most one connection, none until it is needed.

    Args:
        answer_timeout_s: How long all may take that is asked of the connection before it is given back, and making it
            if it is new; None for as long as it takes.
    Raises:
        DatabaseResuming: At connect: the cluster is waking up.
        DatabaseUnavailable: At connect or in use: the server did not answer, refused or went away.
    """
    made = create_engine(
        "postgresql+pg8000://",
        creator=lambda: _connect(settings),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,  # they are what the lab's people wrote, and an error's text is logged
    )
    event.listen(made, "checkin", _note_the_time)
    event.listen(made, "checkout", _refuse_the_stale)
    event.listen(made, "checkout", lambda ours, entry, _: _allow_time(ours, entry, answer_timeout_s))
    _made.append(made)
    return made


def disconnect() -> None:
    """Close what nobody is using: copies of this process would all speak to the server on one connection."""
    for each in _made:
        each.dispose()


before_snapshot(disconnect)


@contextmanager
def transaction(over: Engine, give_up_at: float | None = None) -> Iterator[Connection]:
    """
    A connection whose work is committed at the end, or undone whole; for work that no single statement can do.

    Args:
        give_up_at: By the monotonic clock, if it is to be another moment than the engine's.
    """
    with (
        _answering(over),
        over.connect() as connection,
        _hurried(connection, give_up_at),
        _attended(connection),
        _in_transactions(connection),
        connection.begin(),
    ):
        yield connection


@contextmanager
def trial(over: Engine, give_up_at: float | None = None) -> Iterator[Connection]:
    """A connection whose work is undone at the end, to see what would come of it; likewise."""
    with (
        _answering(over),
        over.connect() as connection,
        _hurried(connection, give_up_at),
        _attended(connection),
        _in_transactions(connection),
        connection.begin() as work,
    ):
        yield connection
        work.rollback()
        _was_told_of_notices(connection)  # of such as there are none


@contextmanager
def _hurried(connection: Connection, give_up_at: float | None) -> Iterator[None]:
    ours = connection.connection.dbapi_connection
    if give_up_at is not None and isinstance(ours, driver.Connection):
        ours.give_up(give_up_at)
    yield


@contextmanager
def _attended(connection: Connection) -> Iterator[None]:
    """
    Ask with the first statement whether the caller is admitted; say in the log, behind the commit, if a notice waits.

    The latter once too often does no harm.
    """
    request = current_request()
    ours = connection.connection.dbapi_connection
    if request and request.sub and isinstance(ours, driver.Connection):
        ours.asks_first = (_ADMIT, request.sub)
    try:
        yield
    finally:
        if isinstance(ours, driver.Connection):
            ours.asks_first = None
        if _was_told_of_notices(connection):
            logger.info("a notice waits", record=BELL)


def _was_told_of_notices(connection: Connection) -> bool:
    ours = None if connection.invalidated else connection.connection.dbapi_connection
    return isinstance(ours, driver.Connection) and ours.was_told(NOTICE_WAITS)


@contextmanager
def _in_transactions(connection: Connection) -> Iterator[None]:
    # SQLAlchemy would name the isolation level first: three round trips to say what the server has anyway.
    ours: Any = connection.connection.dbapi_connection
    ours.autocommit, before = False, ours.autocommit
    try:
        yield
    finally:
        ours.autocommit = before


@contextmanager
def autocommit(over: Engine) -> Iterator[Connection]:
    """A connection on which each statement is its own transaction: one round trip instead of three."""
    with _answering(over), over.connect() as connection, _attended(connection):
        yield connection


def correlated() -> ColumnElement[str]:
    """To be selected before whatever may have a notice written, so that the notice says by which request."""
    request = current_request()
    return func.set_config("dyno.correlation_id", request.correlation_id if request else "", True)


def wait_until_awake(over: Engine, patience_s: float) -> None:
    """
    Return when the database answers; a paused cluster is woken by being asked.

    Raises:
        Unavailable: It did not within the time.
    """
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            with autocommit(over) as connection:
                connection.exec_driver_sql("select 1")
        except Unavailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(1)
        else:
            return


@contextmanager
def _answering(over: Engine) -> Iterator[None]:
    """Turn a broken connection, a late answer and a lost race into an answer; other database errors pass."""
    try:
        yield
    except (OSError, pg8000.dbapi.InterfaceError) as error:
        # pg8000 lets it through as it is, so SQLAlchemy does not know that the connection is no use any more.
        over.dispose()
        what = "did not answer in time" if isinstance(error, TimeoutError) else "broke the connection"
        raise DatabaseUnavailable(f"the database {what}; try again") from error
    except DBAPIError as error:
        if sqlstate(error) == _NOT_ADMITTED:
            raise AccountDisabled("an admin has disabled your account; ask one") from error
        if error.connection_invalidated or (sqlstate(error) or "")[:2] in _TRY_AGAIN or not _from_server(error):
            raise DatabaseUnavailable("the connection to the database broke; try again") from error
        raise


def violated_constraint(error: DBAPIError) -> str | None:
    """
    The name of the constraint a statement broke; None if it broke none.

    Source:
        PostgreSQL's error field 'n'. pg8000 raises IntegrityError for unique violations only.
    """
    return _field(error, "n")


def sqlstate(error: DBAPIError) -> str | None:
    """The five-character SQLSTATE of an error the server reported."""
    return _field(error, "C")


def _field(error: DBAPIError, name: str) -> str | None:
    return _said(error.orig, name) if error.orig else None


def _said(error: BaseException, name: str) -> str | None:
    said = error.args[0] if error.args else None
    return said.get(name) if isinstance(said, dict) else None


def _from_server(error: DBAPIError) -> bool:
    return sqlstate(error) is not None or not isinstance(error.orig, pg8000.dbapi.InterfaceError)


def _connect(settings: Settings) -> driver.Connection:
    try:
        return driver.Connection(
            settings.database_user,
            host=settings.database_host,
            port=settings.database_port,
            database=settings.database_name,
            password=_password(settings),
            tls=_tls(settings.database_ca_file),
            give_up_at=time.monotonic() + CONNECT_TIMEOUT_S,
            application_name=f"dyno/{settings.release}",
        )
    except pg8000.dbapi.DatabaseError as error:
        kind = (_said(error, "C") or "")[:2]
        if kind in _TRY_AGAIN:
            raise DatabaseUnavailable("the database takes no connection right now; try again") from error
        if kind == _NOT_BELIEVED:
            raise DatabaseUnavailable("the database does not believe who this is; try again") from error
        raise
    except TimeoutError as error:
        raise DatabaseResuming("the database is waking up; try again") from error
    except (pg8000.dbapi.InterfaceError, OSError) as error:
        if isinstance(error.__cause__, TimeoutError):
            raise DatabaseResuming("the database is waking up; try again") from error
        raise DatabaseUnavailable("the database cannot be reached; try again") from error


def _password(settings: Settings) -> str | None:
    if settings.database_auth is DatabaseAuth.TRUST:
        return None
    return rds_token(settings.database_host, settings.database_port, settings.database_user, settings.aws_region)


@cache
def _tls(ca_file: str) -> driver.Tls | Literal[False]:
    # Not None, by which pg8000 means TLS with whoever answers.
    return driver.Tls(ssl.create_default_context(cafile=ca_file)) if ca_file else False


def _note_the_time(_connection: object, entry: ConnectionPoolEntry) -> None:
    # The wall clock: a frozen environment's monotonic clock may stand still while the server's idle timer runs.
    entry.info["used_at"] = time.time()


def _refuse_the_stale(ours: driver.Connection, entry: ConnectionPoolEntry, _proxy: Any) -> None:  # noqa: ANN401
    if time.time() - entry.info.get("used_at", time.time()) > IDLE_LIMIT_S:
        raise DisconnectionError("idle for longer than the server keeps a session")
    if ours.was_left:
        # Nothing has been sent, so a new connection does what this one was to do, and nothing is done twice.
        raise DisconnectionError("left by the server")


def _allow_time(ours: driver.Connection, entry: ConnectionPoolEntry, answer_timeout_s: float | None) -> None:
    begun_at = time.monotonic() if "used_at" in entry.info else ours.begun_at
    ours.give_up(None if answer_timeout_s is None else begun_at + answer_timeout_s)
