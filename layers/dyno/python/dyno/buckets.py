"""S3, imported when it is asked and not waited for longer than whoever asks says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dyno.errors import Unavailable
from dyno.observability import logger


def client(*, connect_timeout_s: float, read_timeout_s: float, tries: int) -> Any:  # noqa: ANN401  # boto3 makes its classes while it runs
    """
    A client of one's own.

    Source:
        boto3 waits 60 s for either and asks five times, unless told otherwise.
    """
    # Imported here: most functions never touch S3, and boto3 is a third of a second of a cold start.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    patience = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return boto3.client("s3", config=patience)


@contextmanager
def asking(s3: Callable[[], Any], what: str, refused: str) -> Iterator[Any]:
    """
    Gives the client.

    Args:
        what: Is said in the log to be out of reach.
    Raises:
        Unavailable: S3 did not do what it was asked to; says `refused`.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # as late as boto3

    try:
        yield s3()
    except (BotoCoreError, ClientError) as error:
        # AWS names accounts, roles and buckets: that is for the log.
        logger.warning(f"{what} out of reach", exc_info=error)
        raise Unavailable(refused) from error
