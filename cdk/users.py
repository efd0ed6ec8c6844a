"""`make user`: people of a deployed user pool. Cognito mails each new one a temporary password."""

import argparse
import json
import sys
from collections.abc import Mapping
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
    user = boto3.client("cognito-idp").admin_get_user(UserPoolId=pool_id, Username=email)
    [sub] = [each["Value"] for each in user["UserAttributes"] if each["Name"] == "sub"]
    body = json.dumps({"sub": sub, "role": role})
    return f"""curl -H "Authorization: Bearer $TOKEN" "${{ApiUrl}}users" --data '{body}'"""


def pool_of(described: Mapping[str, Any]) -> str:
    """The user pool's id, from CloudFormation's description of the data stack."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0].get("Outputs", [])}
    return str(outputs["UserPoolId"])


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
    parser.add_argument("--role", required=True, choices=list(GROUPS))
    parser.add_argument("--name", default="DynoAgent", help="the deployment's name, as in -c name=")
    arguments = parser.parse_args()
    try:
        described = boto3.client("cloudformation").describe_stacks(StackName=f"{arguments.name}-Data")
        pool_id = pool_of(described)
        print(admit(pool_id, arguments.email, arguments.role))
        print("Once enrolled, by an admin, they count as somebody the service is for:")
        print(enrolment(pool_id, arguments.email, arguments.role))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{arguments.email} cannot be let in: {error}")


if __name__ == "__main__":
    main()
