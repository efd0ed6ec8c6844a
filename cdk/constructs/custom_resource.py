"""Work that a deployment does in the database: a function that CloudFormation calls and waits for."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.stage import ROOT


def deployment_step(
    scope: Construct,
    construct_id: str,
    *,
    function: lambda_.IFunction,
    sources: Iterable[Path],
    timeout: Duration,
) -> CustomResource:
    """
    Have a function called whenever `sources` change.

    Without their fingerprint among the properties a change of code alone would not be a change to CloudFormation.
    Without a timeout a function that cannot start would hold the deployment for an hour.
    """
    return CustomResource(
        scope,
        construct_id,
        service_token=function.function_arn,
        resource_type=f"Custom::{construct_id}",
        properties={"Fingerprint": fingerprint(sources)},
        service_timeout=timeout,
    )


def fingerprint(sources: Iterable[Path]) -> str:
    """A hash of source files by their place in the house and what they say."""
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(f"{path.relative_to(ROOT)}\0{path.read_text()}\0".encode())
    return digest.hexdigest()
