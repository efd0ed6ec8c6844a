"""One person per role in the local user pool, and the tokens they sign in for."""

import contextlib
import secrets
from typing import Any

from cdk.local import aws
from cdk.local.instance import Instance, LocalStackError
from cdk.local.stack import Stack

ROLES = ("user", "power_user", "admin")


def ensure(instance: Instance, stack: Stack) -> None:
    """Enrol a person per role, once per user pool; the passwords are noted in the stack's folder."""
    noted = instance.read("users.json")
    if noted.get("pool_id") == stack.user_pool_id:
        return
    pool = aws.client("cognito-idp", stack.aws_port)
    passwords = {role: f"Aa1-{secrets.token_urlsafe(18)}" for role in ROLES}
    for role, password in passwords.items():
        _enrol(pool, stack.user_pool_id, role, password)
    instance.write("users.json", {"pool_id": stack.user_pool_id, "passwords": passwords})


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


def _enrol(pool: Any, pool_id: str, role: str, password: str) -> None:  # noqa: ANN401  # a boto3 client
    name = email(role)
    # Perhaps enrolled by a start that was cut short; the password is set anew.
    with contextlib.suppress(pool.exceptions.UsernameExistsException):
        pool.admin_create_user(
            UserPoolId=pool_id,
            Username=name,
            UserAttributes=[{"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}],
            MessageAction="SUPPRESS",
        )
    pool.admin_set_user_password(UserPoolId=pool_id, Username=name, Password=password, Permanent=True)
    pool.admin_add_user_to_group(UserPoolId=pool_id, Username=name, GroupName=role)
