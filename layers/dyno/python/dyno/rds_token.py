"""IAM authentication tokens for RDS, signed here: importing botocore for it costs a cold start 100 ms."""

import hashlib
import hmac
import json
import os
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

TOKEN_LIFETIME_S = 900
_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_PAYLOAD = hashlib.sha256(b"").hexdigest()


def rds_token(
    host: str, port: int, user: str, region: str, env: Mapping[str, str] = os.environ, now: datetime | None = None
) -> str:
    """
    A password that opens one connection as `user` within 15 minutes.

    Source:
        AWS Signature Version 4, query string form, action rds-db connect; tests compare it with botocore's signer.
    """
    key_id, secret, session = _credentials(env)
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/rds-db/aws4_request"
    query = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(TOKEN_LIFETIME_S),
        "X-Amz-SignedHeaders": "host",
    } | ({"X-Amz-Security-Token": session} if session else {})
    canonical_query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    request = "\n".join(("GET", "/", canonical_query, f"host:{host}:{port}\n", "host", _EMPTY_PAYLOAD))
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(_signing_key(secret, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{host}:{port}/?{canonical_query}&X-Amz-Signature={signature}"


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _credentials(env: Mapping[str, str]) -> tuple[str, str, str | None]:
    # SnapStart hands credentials out at an address on the machine instead of in variables.
    if url := env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        asked = urllib.request.Request(url, headers={"Authorization": env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})  # noqa: S310
        with urllib.request.urlopen(asked, timeout=2) as answer:  # noqa: S310  # the runtime's own address
            given = json.load(answer)
        return given["AccessKeyId"], given["SecretAccessKey"], given.get("Token")
    return env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN")
