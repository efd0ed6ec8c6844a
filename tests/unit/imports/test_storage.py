"""Addresses of files and reports, beside those that boto3 would sign."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from dyno.imports.storage import REPORT_FOR, UPLOAD_FOR, Uploads
from dyno.settings import UploadSettings

NOW = datetime(2027, 1, 4, 8, 30, 15, tzinfo=UTC)
REGION, CSV = "eu-west-1", "text/csv"
KNOWN = UploadSettings("lab-uploads", f"lab-uploads.s3.{REGION}.amazonaws.com")
ENV = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr/XUtn+FEMI", "AWS_SESSION_TOKEN": "FwoG/+=="}


def boto3s(method: str, valid: timedelta, like: str, **params: Any) -> str:
    """What boto3 signs, at the moment at which another address was signed."""
    s3 = boto3.client(
        "s3",
        REGION,
        aws_access_key_id=ENV["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ENV["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=ENV["AWS_SESSION_TOKEN"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromisoformat(stamp(like))):
        signed: str = s3.generate_presigned_url(method, {"Bucket": "lab-uploads"} | params, int(valid.total_seconds()))
    return signed


def stamp(url: str) -> str:
    return parts(url)[2]["X-Amz-Date"][0].rstrip("Z")


def parts(url: str) -> tuple[str, str, dict[str, list[str]]]:
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}", split.path, parse_qs(split.query)


@pytest.mark.parametrize("session", [True, False])
def test_an_address_is_signed_as_boto3_signs_it(session: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {name: value for name, value in ENV.items() if session or name != "AWS_SESSION_TOKEN"}
    if not session:
        monkeypatch.setitem(ENV, "AWS_SESSION_TOKEN", None)

    upload = Uploads(KNOWN, REGION, env).to_send(12, CSV, 77, NOW)
    report = Uploads(KNOWN, REGION, env).link("reports/12-a.json", NOW)

    params = {"Key": "uploads/12", "ContentType": CSV, "ContentLength": 77, "IfNoneMatch": "*"}
    assert parts(upload.url) == parts(boto3s("put_object", UPLOAD_FOR, upload.url, **params))
    assert parts(report.url) == parts(boto3s("get_object", REPORT_FOR, report.url, Key="reports/12-a.json"))
    assert upload.headers == {"content-length": "77", "content-type": CSV, "if-none-match": "*"}


def test_another_size_would_take_another_signature() -> None:
    upload = Uploads(KNOWN, REGION, ENV).to_send(12, CSV, 77, NOW)

    params = {"Key": "uploads/12", "ContentType": CSV, "ContentLength": 78, "IfNoneMatch": "*"}
    larger = boto3s("put_object", UPLOAD_FOR, upload.url, **params)

    assert parts(upload.url)[2]["X-Amz-Signature"] != parts(larger)[2]["X-Amz-Signature"]


def test_an_address_says_how_long_it_is_valid() -> None:
    uploads = Uploads(KNOWN, REGION, ENV)

    left = [each.expires_at - NOW for each in (uploads.to_send(1, CSV, 1, NOW), uploads.link("reports/1", NOW))]

    assert left == [UPLOAD_FOR, REPORT_FOR]


def test_where_s3_is_elsewhere_so_are_the_addresses() -> None:
    url = Uploads(KNOWN, REGION, ENV | {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}).link("reports/3.json", NOW).url

    assert parts(url)[:2] == ("http://127.0.0.1:4566", "/lab-uploads/reports/3.json")
