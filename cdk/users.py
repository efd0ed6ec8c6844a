"""`make user`: people of a deployed user pool. Cognito mails each new one a temporary password."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cdk.constructs.identity import GROUPS


def admit(pool_id: str, email: str, role: str) -> str:
    """
    Make a user of the pool, or give one another role; what was done, in a line.

    Args:
        role: A group of the pool; the user leaves the others.
    """
    pool = boto3.client("cognito-idp")
    created = _create(pool, pool_id, email)
    for group in GROUPS:
        change = pool.admin_add_user_to_group if group == role else pool.admin_remove_user_from_group
        change(UserPoolId=pool_id, Username=email, GroupName=group)
    if created:
        return f"{email} may sign in as {role}; Cognito has mailed a temporary password, valid 7 days"
    return f"{email} was there already and is now {role}"


def enrolment(pool_id: str, email: str, role: str) -> str:
    """How an admin enrols a user of the pool: the command, with the id that the service knows them by."""
    body = json.dumps({"sub": _sub(boto3.client("cognito-idp"), pool_id, email), "role": role})
    return f"""curl -H "Authorization: Bearer $TOKEN" "${{ApiUrl}}users" --data '{body}'"""


def close(pool_id: str, email: str) -> str:
    """Let a user of the pool sign in no more, nor renew what they have; the id that the service knows them by."""
    pool = boto3.client("cognito-idp")
    pool.admin_disable_user(UserPoolId=pool_id, Username=email)
    pool.admin_user_global_sign_out(UserPoolId=pool_id, Username=email)
    return _sub(pool, pool_id, email)


def reopen(pool_id: str, email: str) -> str:
    """Let a user of the pool sign in again; the id that the service knows them by."""
    pool = boto3.client("cognito-idp")
    pool.admin_enable_user(UserPoolId=pool_id, Username=email)
    return _sub(pool, pool_id, email)


def dismiss(pool_id: str, email: str) -> str:
    """
    Delete a user of the pool for good; the id that the service knows them by, which nobody can tell afterwards.

    They sign in no more at once; a token they have is valid until it runs out, 24 hours at most.
    """
    pool = boto3.client("cognito-idp")
    sub = _sub(pool, pool_id, email)
    pool.admin_delete_user(UserPoolId=pool_id, Username=email)
    return sub


def erasure(sub: str) -> str:
    """How an admin erases what the service has of somebody: the commands, the second with what the first one shows."""
    return _found_first(sub, "-X DELETE")


def closing(sub: str, *, disabled: bool) -> str:
    """How an admin closes every door to somebody at once, or opens them: the commands, likewise."""
    return _found_first(sub, f"-X PATCH --data '{json.dumps({'disabled': disabled})}'")


def _found_first(sub: str, what: str) -> str:
    signed_in = '-H "Authorization: Bearer $TOKEN"'
    find = f'curl {signed_in} "${{ApiUrl}}users?limit=500"   # user_id and version of {sub}; more by next_cursor'
    then = f'curl {what} {signed_in} -H "If-Match: \\"$VERSION\\"" "${{ApiUrl}}users/$USER_ID"'
    return f"{find}\n{then}"


def deployed_pool(name: str) -> str:
    """The id of a deployment's user pool."""
    return pool_of(boto3.client("cloudformation").describe_stacks(StackName=f"{name}-Data"))


def pool_of(described: Mapping[str, Any]) -> str:
    """The user pool's id, from CloudFormation's description of the data stack."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0].get("Outputs", [])}
    return str(outputs["UserPoolId"])


def _sub(pool: Any, pool_id: str, email: str) -> str:  # noqa: ANN401  # boto3 makes its clients at run time
    user = pool.admin_get_user(UserPoolId=pool_id, Username=email)
    [sub] = [each["Value"] for each in user["UserAttributes"] if each["Name"] == "sub"]
    return str(sub)


def _create(pool: Any, pool_id: str, email: str) -> bool:  # noqa: ANN401  # boto3 makes its clients at run time
    attributes = {"email": email, "email_verified": "true"}
    try:
        pool.admin_create_user(
            UserPoolId=pool_id,
            Username=email,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            DesiredDeliveryMediums=["EMAIL"],
        )
    except pool.exceptions.UsernameExistsException:
        return False
    return True


def main() -> None:
    """Do what the command line says; a refusal of AWS is one plain line."""
    parser = argparse.ArgumentParser(prog="make user", description=__doc__)
    parser.add_argument("--email", required=True)
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--role", choices=list(GROUPS))
    wanted.add_argument(
        "--erase", action="store_true", help="delete their account, and say how the service forgets them"
    )
    wanted.add_argument("--disable", action="store_true", help="let them sign in no more, for now")
    wanted.add_argument("--enable", action="store_true", help="let them sign in again")
    parser.add_argument("--name", default="DynoAgent", help="the deployment's name, as in -c name=")
    arguments = parser.parse_args()
    try:
        print(*_done(deployed_pool(arguments.name), arguments.email, arguments), sep="\n")
    except (BotoCoreError, ClientError) as error:
        what = next((f"{each}d" for each in ("erase", "disable", "enable") if getattr(arguments, each)), "let in")
        sys.exit(f"{arguments.email} cannot be {what}: {error}")


def _done(pool_id: str, email: str, wanted: argparse.Namespace) -> Iterator[str]:
    if wanted.erase:
        sub = dismiss(pool_id, email)
        yield f"{email} has no account any more; the service knows them as {sub}"
        yield "A token of theirs is valid for 24 hours at most. Once it cannot be, an admin erases them:"
        yield erasure(sub)
    elif wanted.disable or wanted.enable:
        sub = close(pool_id, email) if wanted.disable else reopen(pool_id, email)
        may = "not sign in any more" if wanted.disable else "sign in again"
        yield f"{email} may {may}; the service knows them as {sub}"
        yield (
            "A token that they have is refused once an admin says so:" if wanted.disable else "And so does the service:"
        )
        yield closing(sub, disabled=wanted.disable)
    else:
        yield admit(pool_id, email, wanted.role)
        yield "Once enrolled, by an admin, they count as somebody the service is for:"
        yield enrolment(pool_id, email, wanted.role)


if __name__ == "__main__":
    main()
