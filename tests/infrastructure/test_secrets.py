"""No template tells a secret: passwords and client secrets are made where they are kept, and looked up there."""

import json

from tests.infrastructure.template import Template, Templates, starting
from tests.secrets import Finding, found


def findings(*templates: Template) -> list[Finding]:
    return found(((f"template {number}", json.dumps(each)) for number, each in enumerate(templates)), {})


def test_no_template_tells_a_secret(each: Templates, local: Templates) -> None:
    assert findings(*each.all, *local.all) == []


def test_a_password_in_an_environment_would_be_found(aws: Templates) -> None:
    spoilt = aws.planted()
    function = starting(spoilt.service, "AWS::Lambda::Function", "AllocationsFunction")
    function["Properties"]["Environment"]["Variables"]["DATABASE_PASSWORD"] = "hunter2hunter2"

    assert [finding.what for finding in findings(*spoilt.all)] == ["a password"]
