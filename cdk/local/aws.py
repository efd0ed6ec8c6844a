"""A local AWS by ministack, its state kept in the stack's folder, and clients of it."""

import shutil
import sys
import urllib.request
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config

from cdk.local import processes
from cdk.local.instance import LOOPBACK, Instance
from cdk.local.processes import Child, Family

REGION = "us-east-1"
ACCOUNT = "000000000000"
NAME = "ministack"
FAREWELL = "SFTP: stopped"
"""The first thing ministack 1.5 logs after its state is written; it may still be busy with deliveries then."""
_KEPT = ("aws-state", "aws-s3")
_SAVED = "aws-saved"


def endpoint(port: int) -> str:
    """Where the local AWS answers."""
    return f"http://{LOOPBACK}:{port}"


def credentials(port: int) -> dict[str, str]:
    """The variables that lead the AWS tools of a child to the local AWS, and only there."""
    return {
        "AWS_ENDPOINT_URL": endpoint(port),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
    }


def client(service: str, port: int, answer_timeout_s: int = 30) -> Any:  # noqa: ANN401  # boto3 makes its clients at run time
    """A boto3 client of the local AWS."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=endpoint(port),
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # the emulator takes any
        # It is on this machine: what does not answer at once is gone, and a stop must not wait for retries.
        config=Config(connect_timeout=5, read_timeout=answer_timeout_s, retries={"total_max_attempts": 1}),
    )


def remembers(instance: Instance) -> bool:
    """Whether the local AWS wrote all its state when it was stopped; half a state is worse than none."""
    return (instance.folder / _SAVED).exists()


def note_saved(instance: Instance, *, saved: bool) -> None:
    """Note for the next start whether the state can be trusted."""
    if saved:
        instance.path(_SAVED).touch()
    else:
        instance.path(_SAVED).unlink(missing_ok=True)


async def start(family: Family, port: int) -> Child:
    """
    Start the local AWS and wait until it answers.

    Raises:
        LocalStackError: It ended or did not answer in time.
    """
    instance = family.instance
    if not remembers(instance):
        for kept in _KEPT:
            shutil.rmtree(instance.path(kept), ignore_errors=True)
    note_saved(instance, saved=False)
    scratch = instance.path("aws-scratch")
    shutil.rmtree(scratch, ignore_errors=True)  # unpacked functions of earlier runs
    scratch.mkdir()
    env = processes.plain_environment() | {
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # else it opens 0.0.0.0:8883
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(instance.path(_KEPT[0])),
        "S3_DATA_DIR": str(instance.path(_KEPT[1])),
        "TMPDIR": str(scratch),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "POWERTOOLS_TRACE_DISABLED": "1",  # inherited by the Lambda workers; nobody takes segments here
        "PYTHONUNBUFFERED": "1",
    }
    server = family.start(NAME, [sys.executable, "-m", "ministack"], env, farewell=FAREWELL)
    await processes.until("the local AWS answers", 30, lambda: _answers(server, port))
    return server


def _answers(server: Child, port: int) -> bool:
    if server.has_ended:
        raise server.failure("did not start")
    try:
        with urllib.request.urlopen(f"{endpoint(port)}/_ministack/ready", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
