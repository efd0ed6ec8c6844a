"""Our hand-made token beside botocore's."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dyno.rds_token import rds_token

NOW = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)
HOST, PORT, USER, REGION = "lab.cluster-abc.eu-west-1.rds.amazonaws.com", 5432, "dyno_allocations", "eu-west-1"


def botocores(session_token: str | None) -> str:
    credentials = Credentials("AKIDEXAMPLE", "wJalr/XUtn+FEMI", session_token)
    request = AWSRequest("GET", f"https://{HOST}:{PORT}/?Action=connect&DBUser={USER}")
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        SigV4QueryAuth(credentials, "rds-db", REGION, expires=900).add_auth(request)
    return str(request.url).removeprefix("https://")


@pytest.mark.parametrize("session_token", [None, "FwoGZXIvYXdzE/+=="])
def test_the_token_is_botocores(session_token: str | None) -> None:
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr/XUtn+FEMI"}
    if session_token:
        env["AWS_SESSION_TOKEN"] = session_token

    ours = rds_token(HOST, PORT, USER, REGION, env=env, now=NOW)

    def parts(token: str) -> tuple[str, set[str]]:
        address, _, query = token.partition("/?")
        return address, set(query.split("&"))

    assert parts(ours) == parts(botocores(session_token))
