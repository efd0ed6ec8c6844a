"""One person per role in the local user pool, and the tokens they sign in for."""

import base64
import contextlib
import json
import secrets
from http import HTTPStatus
from typing import Any

import httpx

from cdk.local import aws
from cdk.local.instance import Instance, LocalStackError
from cdk.local.stack import Stack

ROLES = ("user", "power_user", "admin")
ANSWER_S = 30


def ensure(instance: Instance, stack: Stack) -> None:
    """Make a person per role, once per user pool; the passwords are noted in the stack's folder."""
    noted = instance.read("users.json")
    if noted.get("pool_id") == stack.user_pool_id:
        return
    pool = aws.client("cognito-idp", stack.aws_port)
    passwords = {role: f"Aa1-{secrets.token_urlsafe(18)}" for role in ROLES}
    for role, password in passwords.items():
        _make(pool, stack.user_pool_id, role, password)
    instance.write("users.json", {"pool_id": stack.user_pool_id, "passwords": passwords})


def enrol(instance: Instance, stack: Stack, tokens: dict[str, str]) -> None:
    """
    Enrol them as an admin does, through the API, once per user pool.

    Args:
        tokens: An ID token by role.
    Raises:
        LocalStackError: The API would not; says what it answered.
    """
    noted = instance.read("users.json")
    if noted.get("enrolled"):
        return
    signed_in = {"Authorization": f"Bearer {tokens['admin']}"}
    with httpx.Client(base_url=stack.api, headers=signed_in, timeout=ANSWER_S, trust_env=False) as client:
        for role, token in tokens.items():
            answer = client.post("/users", json={"sub": sub(token), "role": role})
            # A conflict: by a start that was cut short.
            if answer.status_code not in {HTTPStatus.CREATED, HTTPStatus.CONFLICT}:
                raise LocalStackError(f"{email(role)} cannot be enrolled: {answer.status_code} {answer.text}")
    instance.write("users.json", noted | {"enrolled": True})


def sub(token: str) -> str:
    """The user pool's id of whose token it is."""
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


def token(instance: Instance, stack: Stack, role: str) -> str:
    """
    An ID token of the role's person, valid 24 hours.

    Raises:
        LocalStackError: There is no such role.
    """
    if role not in ROLES:
        raise LocalStackError(f"there is no role {role!r}; the roles are {', '.join(ROLES)}")
    signed_in = aws.client("cognito-idp", stack.aws_port).admin_initiate_auth(
        UserPoolId=stack.user_pool_id,
        ClientId=stack.web_client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email(role), "PASSWORD": instance.read("users.json")["passwords"][role]},
    )
    return str(signed_in["AuthenticationResult"]["IdToken"])


def tokens(instance: Instance, stack: Stack) -> dict[str, str]:
    """An ID token by role."""
    return {role: token(instance, stack, role) for role in ROLES}


def email(role: str) -> str:
    """The name the role's person signs in with."""
    return f"{role.replace('_', '.')}@dyno.example"


def _make(pool: Any, pool_id: str, role: str, password: str) -> None:  # noqa: ANN401  # a boto3 client
    name = email(role)
    # Perhaps made by a start that was cut short; the password is set anew.
    with contextlib.suppress(pool.exceptions.UsernameExistsException):
        pool.admin_create_user(
            UserPoolId=pool_id,
            Username=name,
            UserAttributes=[{"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}],
            MessageAction="SUPPRESS",
        )
    pool.admin_set_user_password(UserPoolId=pool_id, Username=name, Password=password, Permanent=True)
    pool.admin_add_user_to_group(UserPoolId=pool_id, Username=name, GroupName=role)
