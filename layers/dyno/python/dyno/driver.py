"""pg8000 as it is, but for how often it waits for the server and how often it reads the same statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pg8000.dbapi
from pg8000.converters import make_params
from pg8000.core import NULL_BYTE, SYNC_MSG, Context, _flush, _write


@lru_cache(256)
def numbered(statement: str) -> str:
    """A statement whose parameters are %s, with $1, $2 and so on instead, as the server wants them."""
    text: str = pg8000.dbapi.convert_paramstyle("format", statement, ())[0]
    return text


class Cursor(pg8000.dbapi.Cursor):  # type: ignore[misc]  # pg8000 is not typed
    """A cursor that reads a statement with parameters once; pg8000 does so every time, character by character."""

    def execute(self, operation: str, args: Sequence[Any] = (), stream: object = None) -> None:
        """Run a statement, the first of a transaction within a new one unless the connection is in autocommit."""
        if not args or stream is not None or self._input_oids or self._c is None or self._c.is_closed:
            super().execute(operation, args, stream)
            return
        if not self._c.autocommit and not self._c.in_transaction:
            self._c.execute_simple("begin transaction")
        self._context = self._c.execute_unnamed(numbered(operation), args)
        self._row_iter = None if self._context.rows is None else iter(self._context.rows)


class Connection(pg8000.dbapi.Connection):  # type: ignore[misc]  # pg8000 is not typed
    """
    A connection on which a statement with parameters is one round trip.

    pg8000 waits for the server after it has named a statement, after it has asked what comes back, and after it has
    sent the parameters. It sends these as text whatever the server said of their types, so it can as well send all
    together and wait once.

    Source:
        PostgreSQL's documentation, "Extended Query": messages may be sent one after the other up to a Sync, and after
        an error the server passes over all that come before it.
    """

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
        parameters = make_params(self.py_types, vals)
        for parameter in parameters:
            (parameter or "").encode()  # what cannot be sent is found before half of a message is
        context = Context(statement)
        self.send_PARSE(NULL_BYTE, statement, oids)
        self.send_DESCRIBE_STATEMENT(NULL_BYTE)
        self.send_BIND(NULL_BYTE, parameters)
        self.send_EXECUTE()
        _write(self._sock, SYNC_MSG)
        _flush(self._sock)
        self.handle_messages(context)
        return context
