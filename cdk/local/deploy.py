"""The real stacks put onto the local AWS by the real `cdk deploy`, when code or ports have changed."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cdk.local import aws, toolkit
from cdk.local.instance import ROOT, Ports
from cdk.local.processes import Family, plain_environment
from cdk.local.stack import Stack

STACKS = ("DynoAgent-Data", "DynoAgent-Service", "DynoAgent-Monitoring")
TOOLKIT_STACK = "CDKToolkit"
_CODE = ("functions", "layers/dyno", "cdk")
_NOT_CODE = ("__pycache__", "fleet")


def fingerprint(ports: Ports, strategy: str) -> str:
    """A hash of everything a deployment is made of: code, configuration, choices, this Python and the ports."""
    digest = hashlib.sha256(f"{ports} {strategy} {sys.version} {sys.prefix}".encode())
    for path in [ROOT / "cdk.json", *_code()]:
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_there(stack: Stack) -> bool:
    """Whether the local AWS still has the stack; a killed one loses what it had not yet written down."""
    try:
        aws.client("cognito-idp", stack.aws_port).describe_user_pool(UserPoolId=stack.user_pool_id)
        found = aws.client("cloudformation", stack.aws_port).describe_stacks()["Stacks"]
    except (BotoCoreError, ClientError):
        return False
    return {STACKS[0], STACKS[1]} <= {each["StackName"] for each in found}


async def synthesize(family: Family, ports: Ports, strategy: str) -> Path:
    """The templates for this machine and a monitoring strategy; needs neither the database nor the local AWS."""
    assembly = family.instance.path("cdk.out")
    shutil.rmtree(assembly, ignore_errors=True)
    context = {"stage": "local", "database_port": str(ports.database), "monitoring": strategy}
    env = {
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_VALIDATION": "false",  # two seconds of every start; `make check` validates the templates
    }
    await family.run("synth", [sys.executable, "-m", "cdk.app"], _environment(ports) | env, cwd=ROOT)
    return assembly


async def bootstrap(family: Family, ports: Ports) -> None:
    """Prepare the account for the CDK, once in the life of the local AWS's state."""
    cloudformation = aws.client("cloudformation", ports.aws)
    if TOOLKIT_STACK in {each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]}:
        return
    await _cdk(family, "bootstrap", ["bootstrap", f"aws://{aws.ACCOUNT}/{aws.REGION}"], ports)


async def deploy(family: Family, assembly: Path, ports: Ports, code: str) -> Stack:
    """
    Deploy every stack; the roles and the schema come with it.

    Args:
        code: The fingerprint that is being deployed.
    """
    noted = family.instance.path("outputs.json")
    flags: list[str | Path] = [
        "--app",
        assembly,
        "--outputs-file",
        noted,
        "--require-approval",
        "never",
        "--progress",
        "events",
    ]
    await _cdk(family, "deploy", ["deploy", "--all", *flags], ports)
    outputs: dict[str, str] = {}
    for of_stack in json.loads(noted.read_text()).values():
        outputs |= of_stack
    return Stack(
        fingerprint=code,
        database_port=ports.database,
        aws_port=ports.aws,
        user_pool_id=outputs["UserPoolId"],
        web_client_id=outputs["UserPoolClientId"],
        scraper_client_id=outputs["ScraperClientId"],
        functions=_functions(outputs),
    )


def scraper_secret(stack: Stack) -> str:
    """The secret of the machine client, which only the user pool knows."""
    pool: Any = aws.client("cognito-idp", stack.aws_port)
    described = pool.describe_user_pool_client(UserPoolId=stack.user_pool_id, ClientId=stack.scraper_client_id)
    return str(described["UserPoolClient"]["ClientSecret"])


async def _cdk(family: Family, name: str, arguments: list[str | Path], ports: Ports) -> None:
    cdk = await toolkit.install(family)
    quiet = ["--ci", "--no-notices", "--no-version-reporting", "--no-color"]
    # Not from the project's root, where its cdk.json would have the app run again.
    await family.run(name, [toolkit.node(), cdk, *arguments, *quiet], _environment(ports))


def _environment(ports: Ports) -> dict[str, str]:
    own = {"CDK_DISABLE_VERSION_CHECK": "1", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    return plain_environment() | aws.credentials(ports.aws) | toolkit.environment() | own


def _functions(outputs: dict[str, str]) -> dict[str, str]:
    """Physical names by folder: the output of functions/metrics_ingest is MetricsIngestFunctionName."""
    folders = [folder.name for folder in (ROOT / "functions").iterdir()]
    named = {folder: f"{folder.title().replace('_', '')}FunctionName" for folder in folders}
    return {folder: outputs[output] for folder, output in named.items() if output in outputs}


def _code() -> Iterator[Path]:
    for folder in _CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not set(path.parts) & set(_NOT_CODE):
                yield path
