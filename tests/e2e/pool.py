"""People of a user pool of the local AWS, made for a test and gone with it, and the tokens they are given."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from cdk.local import aws
from cdk.local.deploy import scraper_secret
from cdk.local.scraper import SCOPE
from cdk.local.stack import Stack


@dataclass(frozen=True)
class Tokens:
    """What a person is given for a password."""

    id: str
    access: str


@dataclass
class Pool:
    """A user pool and the client people sign in by."""

    client: Any
    pool_id: str
    client_id: str

    @classmethod
    def of(cls, stack: Stack) -> "Pool":
        """The stack's own."""
        return cls(aws.client("cognito-idp", stack.aws_port), stack.user_pool_id, stack.web_client_id)

    def sign_in(self, name: str, password: str) -> Tokens:
        granted = self.client.admin_initiate_auth(
            UserPoolId=self.pool_id,
            ClientId=self.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": password},
        )["AuthenticationResult"]
        return Tokens(granted["IdToken"], granted["AccessToken"])

    @contextmanager
    def person(self, group: str | None) -> Iterator[Tokens]:
        """Somebody new, in a group or in none, for as long as the block runs."""
        name, password = f"{secrets.token_hex(6)}@dyno.example", f"Aa1-{secrets.token_urlsafe(18)}"
        of = {"UserPoolId": self.pool_id, "Username": name}
        self.client.admin_create_user(**of, MessageAction="SUPPRESS")
        try:
            self.client.admin_set_user_password(**of, Password=password, Permanent=True)
            if group:
                self.client.admin_add_user_to_group(**of, GroupName=group)
            yield self.sign_in(name, password)
        finally:
            self.client.admin_delete_user(**of)


@contextmanager
def another(stack: Stack) -> Iterator[Pool]:
    """A second user pool, with the same groups, for as long as the block runs."""
    client = aws.client("cognito-idp", stack.aws_port)
    pool_id = client.create_user_pool(PoolName=f"another-{secrets.token_hex(4)}")["UserPool"]["Id"]
    try:
        for group in ("user", "power_user", "admin"):
            client.create_group(UserPoolId=pool_id, GroupName=group)
        made = client.create_user_pool_client(
            UserPoolId=pool_id, ClientName="web", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )
        yield Pool(client, pool_id, made["UserPoolClient"]["ClientId"])
    finally:
        client.delete_user_pool(UserPoolId=pool_id)


def machine_token(stack: Stack) -> str:
    """The scraper's access token."""
    answer = httpx.post(
        f"{aws.endpoint(stack.aws_port)}/oauth2/token",
        data={"grant_type": "client_credentials", "scope": SCOPE},
        auth=(stack.scraper_client_id, scraper_secret(stack)),
        trust_env=False,
    )
    return str(answer.raise_for_status().json()["access_token"])
