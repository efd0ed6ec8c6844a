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


def command(pool_id: str, monkeypatch: pytest.MonkeyPatch, *wanted: str) -> None:
    """Runs it against a deployment with that pool."""
    monkeypatch.setattr(users, "deployed_pool", {"Lab": pool_id}.__getitem__)
    monkeypatch.setattr("sys.argv", ["users", "--name", "Lab", "--email", EMAIL, *wanted])
    users.main()


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


def test_an_account_is_deleted_and_the_commands_that_erase_the_rest_name_whom(
    pool_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cognito = boto3.client("cognito-idp")
    for email in (EMAIL, "other@lab.example"):
        users.admit(pool_id, email, "user")
    user = cognito.admin_get_user(UserPoolId=pool_id, Username=EMAIL)
    [sub] = [each["Value"] for each in user["UserAttributes"] if each["Name"] == "sub"]

    command(pool_id, monkeypatch, "--erase")

    first, wait, find, erase = capsys.readouterr().out.splitlines()
    assert (EMAIL in first, sub in first, "24 hours" in wait, f"version of {sub}" in find) == (True,) * 4
    assert [each["Attributes"][0]["Value"] for each in cognito.list_users(UserPoolId=pool_id)["Users"]] != [EMAIL]
    assert len(cognito.list_users(UserPoolId=pool_id)["Users"]) == 1
    asked = shlex.split(erase.replace("$VERSION", "3").replace("$USER_ID", "7"))
    assert asked[:3] == ["curl", "-X", "DELETE"]
    assert (asked[-2], asked[-1]) == ('If-Match: "3"', "${ApiUrl}users/7")


def test_who_is_disabled_signs_in_no_more_and_the_commands_that_close_the_doors_name_whom(
    pool_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cognito = boto3.client("cognito-idp")
    users.admit(pool_id, EMAIL, "user")
    sub = users.reopen(pool_id, EMAIL)

    command(pool_id, monkeypatch, "--disable")

    first, _, find, close = capsys.readouterr().out.splitlines()
    asked = shlex.split(close.replace("$VERSION", "3").replace("$USER_ID", "7"))
    assert cognito.admin_get_user(UserPoolId=pool_id, Username=EMAIL)["Enabled"] is False
    assert (sub in first, f"version of {sub}" in find) == (True, True)
    assert (asked[:4], json.loads(asked[4])) == (["curl", "-X", "PATCH", "--data"], {"disabled": True})
    assert (asked[-2], asked[-1]) == ('If-Match: "3"', "${ApiUrl}users/7")

    command(pool_id, monkeypatch, "--enable")

    assert cognito.admin_get_user(UserPoolId=pool_id, Username=EMAIL)["Enabled"] is True
    assert """'{"disabled": false}'""" in capsys.readouterr().out


@pytest.mark.parametrize("wanted", ["disable", "enable"])
def test_who_is_not_there_can_be_neither_disabled_nor_enabled(
    pool_id: str, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    with pytest.raises(SystemExit, match=f"{EMAIL} cannot be {wanted}d: .*UserNotFoundException"):
        command(pool_id, monkeypatch, f"--{wanted}")


def test_who_is_not_there_cannot_be_erased(pool_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=f"{EMAIL} cannot be erased: .*UserNotFoundException"):
        command(pool_id, monkeypatch, "--erase")


@pytest.mark.parametrize("wanted", [[], ["--erase", "--role", "user"], ["--role", ""]], ids=str)
def test_one_thing_is_wanted_of_somebody(pool_id: str, monkeypatch: pytest.MonkeyPatch, wanted: list[str]) -> None:
    users.admit(pool_id, EMAIL, "user")

    with pytest.raises(SystemExit) as refused:
        command(pool_id, monkeypatch, *wanted)

    assert refused.value.code == 2
    assert groups(pool_id) == ["user"]


def test_the_pool_is_the_one_in_the_data_stacks_outputs() -> None:
    outputs = [
        {"OutputKey": "TokenUrl", "OutputValue": "https://…"},
        {"OutputKey": "UserPoolId", "OutputValue": "pool"},
    ]
    described: Any = {"Stacks": [{"Outputs": outputs}]}

    assert users.pool_of(described) == "pool"
