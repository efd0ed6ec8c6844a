"""`make user` against a user pool; AWS is moto's."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cdk import users
from cdk.constructs.identity import GROUPS

EMAIL = "first.admin@lab.example"


@pytest.fixture
def pool_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        cognito = boto3.client("cognito-idp")
        pool = cognito.create_user_pool(PoolName="Pool", UsernameAttributes=["email"])["UserPool"]["Id"]
        for group in GROUPS:
            cognito.create_group(UserPoolId=pool, GroupName=group)
        yield pool


def groups(pool_id: str) -> list[str]:
    found = boto3.client("cognito-idp").admin_list_groups_for_user(UserPoolId=pool_id, Username=EMAIL)
    return [group["GroupName"] for group in found["Groups"]]


def test_the_first_admin_is_invited(pool_id: str) -> None:
    said = users.admit(pool_id, EMAIL, "admin")

    user = boto3.client("cognito-idp").admin_get_user(UserPoolId=pool_id, Username=EMAIL)
    attributes = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
    assert "temporary password" in said
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert groups(pool_id) == ["admin"]
    assert (attributes["email"], attributes["email_verified"]) == (EMAIL, "true")


def test_a_user_has_one_role_the_last_given(pool_id: str) -> None:
    users.admit(pool_id, EMAIL, "admin")

    said = users.admit(pool_id, EMAIL, "user")

    assert "is now user" in said
    assert groups(pool_id) == ["user"]


def test_the_command_that_enrols_them_names_the_pools_id(pool_id: str) -> None:
    users.admit(pool_id, EMAIL, "power_user")
    [user] = boto3.client("cognito-idp").list_users(UserPoolId=pool_id)["Users"]
    [sub] = [each["Value"] for each in user["Attributes"] if each["Name"] == "sub"]

    said = users.enrolment(pool_id, EMAIL, "power_user")

    command, header, token, url, data, body = shlex.split(said)
    assert (command, header, token) == ("curl", "-H", "Authorization: Bearer $TOKEN")
    assert (url, data) == ("${ApiUrl}users", "--data")
    assert json.loads(body) == {"sub": sub, "role": "power_user"}
    assert EMAIL not in said


def test_the_pool_is_the_one_in_the_data_stacks_outputs() -> None:
    outputs = [
        {"OutputKey": "TokenUrl", "OutputValue": "https://…"},
        {"OutputKey": "UserPoolId", "OutputValue": "pool"},
    ]
    described: Any = {"Stacks": [{"Outputs": outputs}]}

    assert users.pool_of(described) == "pool"
