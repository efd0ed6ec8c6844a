"""pg8000 as it is, but for how often and how long it waits for the server and how often it reads the same statement."""

import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal

import pg8000.dbapi
from pg8000.converters import make_params
from pg8000.core import CLOSE, DESCRIBE, FLUSH_MSG, NULL_BYTE, PORTAL, STATEMENT, SYNC_MSG, Context, _flush, _write

BEFORE_ANY_QUERY = "set transaction"
"""How a statement begins that says what a transaction is: it can only be the first."""


class Prepared(str):
    """
    A statement with parameters that the server parses once a connection, and that is executed by name from then on.

    For what is asked all the time and has one good plan whatever its parameters are, for the server may keep one for
    good. The types of its parameters and of what it gives are those of the first time.
    """

    __slots__ = ()


@lru_cache(256)
def numbered(statement: str) -> str:
    """A statement whose parameters are %s, with $1, $2 and so on instead, as the server wants them."""
    text: str = pg8000.dbapi.convert_paramstyle("format", statement, ())[0]
    return text


class _Hurried(socket.socket):
    """
    A socket whose waits all end by one moment, in however many pieces the other side says what it says.

    Behind that the line is dead, and the other side hears it: it has nobody to work for any more.

    Attributes:
        give_up_at: By the monotonic clock; None leaves the socket's own timeout as it is.
    """

    give_up_at: float | None = None

    def recv(self, *args: Any) -> bytes:  # noqa: ANN401  # as the library has it
        """What is read; whatever comes behind it, as the handshake of TLS, has the time that is left."""
        try:
            self.hurry()
            read = super().recv(*args)
            self.hurry()
        except TimeoutError:
            self._hang_up()
            raise
        return read

    def recv_into(self, *args: Any) -> int:  # noqa: ANN401
        """How much was read."""
        try:
            self.hurry()
            return super().recv_into(*args)
        except TimeoutError:
            self._hang_up()
            raise

    def send(self, *args: Any) -> int:  # noqa: ANN401
        """How much was sent."""
        try:
            self.hurry()
            return super().send(*args)
        except TimeoutError:
            self._hang_up()
            raise

    def hurry(self) -> None:
        """Let the next wait end in time."""
        if self.give_up_at is None:
            return
        left_s = self.give_up_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the time for all of it is over")
        self.settimeout(left_s)

    def _hang_up(self) -> None:
        """To close it is not enough: whoever reads from it in pieces keeps it open."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class _HurriedTls(_Hurried, ssl.SSLSocket):
    """The same within TLS."""


class Tls:
    """TLS as a context has it, on a socket that goes on to be in a hurry."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._context.sslsocket_class = _HurriedTls

    def wrap_socket(self, plain: _Hurried, server_hostname: str) -> ssl.SSLSocket:
        """As pg8000 asks for it."""
        give_up_at = plain.give_up_at
        wrapped = self._context.wrap_socket(plain, server_hostname=server_hostname)
        wrapped.give_up_at = give_up_at  # type: ignore[attr-defined]  # it is of _HurriedTls
        return wrapped


def _dial(host: str, port: int, give_up_at: float) -> _Hurried:
    found = socket.create_connection((host, port), max(give_up_at - time.monotonic(), 0.001))
    dialled = _Hurried(fileno=found.detach())
    dialled.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # pg8000 leaves Nagle's algorithm on, which stalls every message over 8 KB by 40 ms.
    dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    dialled.give_up_at = give_up_at
    dialled.hurry()
    return dialled


class _Unflushed:
    """
    A socket's file that leaves out what pg8000 sends behind each message: that the server is to say what it can so far.

    Every statement ends with a Sync, at which the server says all of it, up to 8 KB at once: one packet, for which the
    client wakes once. COPY from a binary file is not for it, as its pieces come as they are.

    Source:
        PostgreSQL's documentation, "Extended Query": Flush sends what is pending, and so does a Sync.
    """

    def __init__(self, file: Any) -> None:  # noqa: ANN401  # of a socket
        self.read, self.flush = file.read, file.flush
        self._write = file.write

    def write(self, message: bytes) -> None:
        """Have it sent with what is flushed next."""
        if message != FLUSH_MSG:
            self._write(message)


class Cursor(pg8000.dbapi.Cursor):  # type: ignore[misc]  # pg8000 is not typed
    """A cursor that reads a statement with parameters once; pg8000 does so every time, character by character."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: object = None) -> None:
        """Run a statement, the first of a transaction within a new one unless the connection is in autocommit."""
        ours = self._c
        is_pg8000s = ours is None or ours.is_closed or stream is not None or self._input_oids
        if is_pg8000s or not (args or ours.asks_first) or operation.startswith(BEFORE_ANY_QUERY):
            super().execute(operation, args, stream)
            return
        if not ours.autocommit and not ours.in_transaction:
            ours.execute_simple("begin transaction")
        statement = numbered(operation) if args else operation
        self._context = ours.ask(statement, args, by_name=isinstance(operation, Prepared))
        self._row_iter = None if self._context.rows is None else iter(self._context.rows)


class Connection(pg8000.dbapi.Connection):  # type: ignore[misc]  # pg8000 is not typed
    """
    A connection on which a statement with parameters is one round trip.

    pg8000 waits for the server after it has named a statement, after it has asked what comes back, and after it has
    sent the parameters. It sends these as text whatever the server said of their types, so it can as well send all
    together and wait once.

    Attributes:
        asks_first: A statement with its one parameter, $1, that the next one is sent behind, in the same breath. It
            gives no rows; if it fails, the other is passed over, and that is what the other's caller is told.
    Source:
        PostgreSQL's documentation, "Extended Query": messages may be sent one after the other up to a Sync, and after
        an error the server passes over all that come before it.
    """

    def __init__(
        self,
        user: str,
        *,
        host: str,
        port: int,
        database: str,
        password: str | None,
        tls: Tls | Literal[False] | None,
        give_up_at: float,
        application_name: str,
    ) -> None:
        self.asks_first: tuple[str, str] | None = None
        self._names: dict[str, bytes] = {}
        self._known: set[bytes] = set()
        self.begun_at = time.monotonic()
        dialled = _dial(host, port, give_up_at)
        try:
            super().__init__(
                user,
                host=host,
                database=database,
                password=password,
                ssl_context=tls,
                application_name=application_name,
                sock=dialled,
            )
        except BaseException:
            dialled.close()
            raise
        self._sock: Any = _Unflushed(self._sock)

    def give_up(self, at: float | None) -> None:
        """Wait for no answer any longer than until a moment by the monotonic clock; None for as long as it takes."""
        self._usock.give_up_at = at
        if at is None:
            self._usock.settimeout(None)

    def was_told(self, code: str) -> bool:
        """Whether the server has said something of that SQLSTATE beside its answers, since it was last asked."""
        told = any(said.get(b"C") == code.encode() for said in self.notices)
        self.notices.clear()
        return told

    @property
    def was_left(self) -> bool:
        """
        Whether the server has said something that nobody asked for: goodbye, or nothing more, as it hung up.

        A server that reads its configuration anew may speak unasked, too; then a connection is given up for nothing.
        """
        if self._usock is None:
            return True
        heard = select.poll()  # not select(), which knows the first 1,024 files only
        heard.register(self._usock, select.POLLIN)
        return bool(heard.poll(0))

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._sock is None

    @property
    def in_transaction(self) -> bool:
        """Whether the server is within one."""
        return bool(self._in_transaction)

    def cursor(self) -> Cursor:
        """A cursor of ours."""
        return Cursor(self)

    def execute_unnamed(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: object = None
    ) -> Context:
        """What the server answers to a statement; COPY, which has a stream, is left to pg8000."""
        if stream is not None:
            return super().execute_unnamed(statement, vals, oids, stream)
        return self.ask(statement, vals, oids)

    def ask(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), *, by_name: bool = False
    ) -> Context:
        """
        What the server answers to a statement with $1, $2 and so on.

        Args:
            oids: The types of parameters, as far as they are not the server's to find out.
            by_name: Whether it is parsed once a connection; see Prepared.
        Raises:
            DatabaseError: What the server says is wrong.
            InterfaceError: The connection is no more.
        """
        parameters = make_params(self.py_types, vals)
        first, given = self.asks_first or ("", "")
        for parameter in (given, *parameters):
            (parameter or "").encode()  # what cannot be sent is found before half of a message is
        context = Context(statement)
        used: set[bytes] = set()
        if first:
            self.asks_first = None
            self.send_BIND(self._parsed(first, (), used, by_name=isinstance(first, Prepared)), (given,))
            self.send_EXECUTE()
        self.send_BIND(self._parsed(statement, oids, used, by_name=by_name), parameters)
        self._send_message(DESCRIBE, PORTAL + NULL_BYTE)
        self.send_EXECUTE()
        _write(self._sock, SYNC_MSG)
        _flush(self._sock)
        # Behind an error the server passes over what is left, or it knows a name no more: all are parsed anew then.
        self._known -= used
        self.handle_messages(context)
        self._known |= used
        return context

    def _parsed(self, statement: str, oids: Sequence[int], used: set[bytes], *, by_name: bool) -> bytes:
        """
        Have a statement parsed, unless the server knows it by name; gives the name that is to be bound.

        Args:
            used: Becomes one more if it has a name.
        Source:
            PostgreSQL's documentation, "Extended Query": to close a statement that is not there is no error.
        """
        if not by_name:
            self.send_PARSE(NULL_BYTE, statement, oids)
            return bytes(NULL_BYTE)
        name = self._names.setdefault(statement, b"dyno_%d" % len(self._names) + NULL_BYTE)
        if name not in self._known:
            self._send_message(CLOSE, STATEMENT + name)  # where it failed before, the server may have got so far
            self.send_PARSE(name, statement, oids)
        used.add(name)
        return name
