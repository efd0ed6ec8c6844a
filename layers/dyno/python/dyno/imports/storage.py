"""The bucket that large files come to and their reports are fetched from."""

import os
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from dyno import buckets
from dyno.imports.jobs_model import REPORTS, UPLOADS, Link, Upload
from dyno.settings import UploadSettings
from dyno.signing import ANY_PAYLOAD, Asked, signed
from dyno.snapstart import before_snapshot

UPLOAD_FOR = timedelta(minutes=15)
REPORT_FOR = timedelta(minutes=5)
"""How long an address is valid; of a report a new one is had by asking again."""

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""
Variables that say where S3 is, if not at AWS's own address.

Source:
    AWS SDKs and tools reference guide, "Service-specific endpoints".
"""


class Uploads:
    """
    Uploaded files and reports of a bucket.

    Args:
        region: Where the bucket is.
    """

    def __init__(self, known: UploadSettings, region: str, env: Mapping[str, str] = os.environ) -> None:
        self._bucket, self._region, self._env = known.uploads_bucket, region, env
        emulated = next((env[name] for name in ENDPOINTS if env.get(name)), None)
        self._root = f"{emulated.rstrip('/')}/{self._bucket}" if emulated else f"https://{known.uploads_domain}"

    def to_send(self, import_id: int, content_type: str, size_bytes: int, now: datetime) -> Upload:
        """
        Where a file is sent to: of that type and size and no other, and not over one that is there.

        Source:
            Amazon S3 user guide, "Authenticating requests: using query parameters": a signed header must be sent as it
            was signed; "Conditional writes": If-None-Match.
        """
        headers = {"content-length": str(size_bytes), "content-type": content_type, "if-none-match": "*"}
        url, expires_at = self._address("PUT", f"{UPLOADS}/{import_id}", headers, UPLOAD_FOR, now)
        return Upload(url=url, headers=headers, expires_at=expires_at)

    def link(self, key: str, now: datetime) -> Link:
        """Where a report is fetched from."""
        url, expires_at = self._address("GET", key, {}, REPORT_FOR, now)
        return Link(url=url, expires_at=expires_at)

    def read(self, import_id: int) -> bytes:
        """
        A file that was uploaded.

        Raises:
            Unavailable: S3 did not give it.
        """
        with _asking("read") as s3:
            content: bytes = s3.get_object(Bucket=self._bucket, Key=f"{UPLOADS}/{import_id}")["Body"].read()
        return content

    def keep_report(self, import_id: int, report: str) -> str:
        """
        Keep a report, in JSON, beside any that another run may keep.

        Returns:
            Its key.
        Raises:
            Unavailable: S3 did not take it.
        """
        key = f"{REPORTS}/{import_id}-{secrets.token_hex(8)}.json"
        with _asking("written") as s3:
            s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=report.encode(),
                ContentType="application/json",
                ContentDisposition=f'attachment; filename="import-{import_id}.json"',
            )
        return key

    def _address(
        self, method: str, key: str, headers: Mapping[str, str], valid: timedelta, now: datetime
    ) -> tuple[str, datetime]:
        root = urlsplit(self._root)
        asked = Asked(method, root.netloc, f"{root.path}/{key}", headers=headers, payload=ANY_PAYLOAD)
        path = signed(
            asked, service="s3", region=self._region, valid_s=int(valid.total_seconds()), env=self._env, now=now
        )
        return f"{root.scheme}://{root.netloc}{path}", (now + valid).replace(microsecond=0)


def _asking(done: str) -> AbstractContextManager[Any]:
    return buckets.asking(_s3, "uploads", f"the bucket cannot be {done}")


@cache
def _s3() -> Any:  # noqa: ANN401  # boto3 makes its classes while it runs
    return buckets.client(connect_timeout_s=2, read_timeout_s=20, tries=3)


before_snapshot(_s3.cache_clear)
