"""The runbook's commands are ones that there are: nobody finds out at three in the morning."""

import re
import subprocess
import textwrap
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from cdk.monitoring.runbook import anchor
from dyno.metrics import catalogue
from tests.e2e import insights

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()

GLOBAL = {"query", "output", "cli-read-timeout", "cli-binary-format", "max-items", "region", "no-cli-pager"}
OF_THE_CLI = {("sns", "subscribe"): {"notification-endpoint"}}
"""Options that the AWS CLI names otherwise than the API does."""

HIGH_LEVEL = {
    ("s3", "ls"): {"recursive", "summarize"},
    ("s3", "rm"): set[str](),
    ("s3", "cp"): set[str](),
    ("logs", "tail"): {"since", "follow", "filter-pattern", "format"},
    ("cloudformation", "wait"): {"stack-name"},
}
"""Commands of the AWS CLI that are no operation of an API, with their options."""


def blocks(page: str) -> list[str]:
    """What is to be pasted into a shell."""
    return [textwrap.dedent(block) for block in re.findall(r"^ *```\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)]


def commands(page: str) -> list[str]:
    """Each call of the AWS CLI, in a block or in a sentence, on one line."""
    sentences = re.findall(r"`(aws [^`]+)`", re.sub(r"^ *```.*?^ *```", "", page, flags=re.MULTILINE | re.DOTALL))
    text = "\n".join((*blocks(page), *sentences)).replace("\\\n", " ")
    return re.findall(r"\baws [a-z0-9-]+ [a-z0-9-]+(?:(?!\$\(aws)[^\n|;])*", text)


def unknown(command: str) -> set[str]:
    """What of a command the AWS CLI would not know."""
    service, operation = command.split()[1:3]
    given = set(re.findall(r" --([a-z0-9-]+)", command)) - GLOBAL - OF_THE_CLI.get((service, operation), set())
    if (service, operation) in HIGH_LEVEL:
        return given - HIGH_LEVEL[service, operation]
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return {service}
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        return {operation}
    shape = model.operation_model(operations[operation]).input_shape
    options = {xform_name(member, "-") for member in (shape.members if shape else {})}
    return {option for option in given if option not in options and option.removeprefix("no-") not in options}


def test_every_command_is_one_that_the_aws_cli_knows() -> None:
    found = {command: unknown(command) for command in commands(RUNBOOK)}

    assert len(found) > 20
    assert {command: what for command, what in found.items() if what} == {}


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("aws logz describe-log-groups", {"logz"}),
        ("aws logs describe-log-group", {"describe-log-group"}),
        ("aws logs describe-log-groups --log-group-prefix x", {"log-group-prefix"}),
        ("aws s3 ls s3://b --recursiv", {"recursiv"}),
    ],
)
def test_a_command_that_is_misspelt_would_be_found(command: str, what: set[str]) -> None:
    assert unknown(command) == what
    assert commands(f"```\n{command}\n```\n") == [command] == commands(f"by `{command}`")


OF_THE_LOGGER = {
    *("level", "message", "location", "timestamp", "correlation_id"),
    *("exception_name", "exception", "code", "detail"),
    *("done", "failed", "complete", "reason"),
}
"""What functions' other lines have."""

FIELDS = {*catalogue.CALL_FIELDS, *catalogue.METRIC_FIELDS, *OF_THE_LOGGER}


def questions(page: str) -> list[str]:
    """What the runbook asks Logs Insights."""
    return re.findall(r'^ *ask (?:\S+|"\$\(log_of \S+\)") "([^"]+)"', page, re.MULTILINE)


def misnamed(page: str) -> set[str]:
    """Fields that a question names and no line has."""
    return {name for question in questions(page) for name in insights.unknown(question, FIELDS)}


def test_every_question_asks_for_what_lines_say() -> None:
    assert len(questions(RUNBOOK)) > 9
    assert misnamed(RUNBOOK) == set()


def test_a_question_for_what_no_line_says_would_be_found() -> None:
    assert misnamed(RUNBOOK.replace("filter message = 'failed'", "filter massage = 'failed'")) == {"massage"}


def refused(block: str) -> str:
    """What the shell cannot read of a block."""
    return subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False).stderr


def test_the_shell_can_read_every_block() -> None:
    assert len(blocks(RUNBOOK)) > 20
    assert [refused(block) for block in blocks(RUNBOOK) if refused(block)] == []


def test_a_block_that_the_shell_cannot_read_would_be_found() -> None:
    assert "unexpected EOF" in refused('aws logs tail "$CallLogGroupName\n')


def broken(page: str) -> set[str]:
    """Links to headings that the page does not have."""
    headings = {anchor(heading) for heading in re.findall(r"^##+ (.+)$", page, re.MULTILINE)}
    return set(re.findall(r"\]\(#([\w-]+)\)", page)) - headings


def test_every_link_within_the_page_leads_somewhere() -> None:
    assert broken(RUNBOOK) == set()


def test_a_link_to_nowhere_would_be_found() -> None:
    assert broken(RUNBOOK.replace("## Requests fail", "## Requests")) == {"requests-fail"}
