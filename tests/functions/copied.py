"""
A process that has served a request, is copied twice, and serves another in each copy: what Lambda's SnapStart does.

    python -m tests.functions.copied <the hook to leave out>

prints, as JSON, what the process had and what its copies have. Copies are made by libc's own fork: Python's would run
hooks of its own, which no snapshot does.
"""

import ctypes
import io
import json
import os
import random
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any
from urllib.parse import parse_qs

from snapshot_restore_py import get_after_restore, get_before_snapshot
from sqlalchemy import text

from dyno.database import autocommit, engine
from dyno.metrics import snapshot, watchdog
from dyno.rds_token import rds_token
from dyno.settings import settings
from functions.metrics.handler import handler
from tests.functions.conftest import Caller, Context, claims, gateway_event

Hook = Callable[[], None]

ASKED = ("/metrics/performance", "/metrics/health")
"""The first is recorded and asks the database, the second asks S3 as well."""


def name(hook: Hook) -> str:
    return f"{hook.__module__}.{hook.__qualname__}"


def hooks(registered: list[Any], left_out: str) -> list[Hook]:
    return [hook for hook, _, _ in registered if name(hook) != left_out]


def serve() -> dict[str, Any]:
    """Serve a request, and tell by what."""
    said = io.StringIO()
    with redirect_stdout(said):
        for path in ASKED:
            answer = handler(gateway_event("GET", path, authorised=claims(Caller.ADMIN)), Context())  # type: ignore[arg-type]
            assert answer["statusCode"] in (200, 503), answer
    records = [json.loads(line) for line in said.getvalue().splitlines() if '"dyno-call/1"' in line]
    with autocommit(engine(settings())) as connection:
        server_pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
    s3 = snapshot._s3(snapshot.READ_TIMEOUT_S)
    token = rds_token("lab.example", 5432, "dyno_metrics", "us-east-1")
    return {
        "nonce": records[0]["event_id"].split("-")[0],
        "records": [record["method"] for record in records],
        "created_at": records[0]["created_at"],
        "cold_starts": said.getvalue().count("ColdStart"),
        "server_pid": server_pid,
        "s3_key": s3._request_signer._credentials.get_frozen_credentials().access_key,
        "token_key": parse_qs(token.partition("?")[2])["X-Amz-Credential"][0].split("/")[0],
        "drawn": random.random(),
    }


def copy(restored: list[Hook]) -> dict[str, Any]:
    """What a copy of this process has once it is restored and has served a request."""
    reader, writer = os.pipe()
    with watchdog._watchdog._changed:  # its thread is not copied: it must not hold the lock meanwhile
        pid = ctypes.PyDLL(None).fork()
    if not pid:
        try:
            for hook in restored:
                hook()
            told = json.dumps(serve())
        except BaseException as error:  # noqa: BLE001  # to be told as well: nobody else hears of it
            told = json.dumps({"failed": repr(error)})
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        found: dict[str, Any] = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return found


def main(left_out: str) -> None:
    registered = [name(hook) for hook, _, _ in (*get_before_snapshot(), *get_after_restore())]
    original = serve()
    for hook in reversed(hooks(get_before_snapshot(), left_out)):
        hook()
    restored = hooks(get_after_restore(), left_out)
    copies = [copy(restored), copy(restored)]
    sys.stdout.write(json.dumps({"hooks": registered, "original": original, "copies": copies}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
