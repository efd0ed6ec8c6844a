"""IAM authentication tokens for RDS."""

import os
from collections.abc import Mapping
from datetime import datetime

from dyno.signing import Asked, signed

TOKEN_LIFETIME_S = 900


def rds_token(
    host: str, port: int, user: str, region: str, env: Mapping[str, str] = os.environ, now: datetime | None = None
) -> str:
    """
    A password that opens one connection as `user` within 15 minutes.

    Source:
        AWS Signature Version 4, query string form, action rds-db connect; tests compare it with botocore's signer.
    """
    asked = Asked("GET", f"{host}:{port}", query={"Action": "connect", "DBUser": user})
    return asked.host + signed(asked, service="rds-db", region=region, valid_s=TOKEN_LIFETIME_S, env=env, now=now)
