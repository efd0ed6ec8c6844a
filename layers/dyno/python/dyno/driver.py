"""pg8000 as it is, but for how often it waits for the server."""

from collections.abc import Sequence
from typing import Any

import pg8000.dbapi
from pg8000.converters import make_params
from pg8000.core import NULL_BYTE, SYNC_MSG, Context, _flush, _write


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
