"""`make user`: people of a deployed user pool. Cognito mails each new one a temporary password."""

import argparse
import sys
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cdk.constructs.identity import GROUPS

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient


def enrol(email: str, role: str, *, deployment: str) -> str:
    """
    Make a user of the pool, or give one another role; what was done, in a line.

    Args:
        role: A group of the pool; the user leaves the others.
        deployment: The stacks' prefix.
    Raises:
        ClientError: AWS refused; the stack may not be there.
    """
    pool_id = _pool_id(deployment)
    pool = boto3.client("cognito-idp")
    created = _create(pool, pool_id, email)
    for group in GROUPS:
        change = pool.admin_add_user_to_group if group == role else pool.admin_remove_user_from_group
        change(UserPoolId=pool_id, Username=email, GroupName=group)
    if created:
        return f"{email} is enrolled as {role}; Cognito has mailed a temporary password, valid 7 days"
    return f"{email} was enrolled already and is now {role}"


def _pool_id(deployment: str) -> str:
    described = boto3.client("cloudformation").describe_stacks(StackName=f"{deployment}-Data")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0].get("Outputs", [])}
    return outputs["UserPoolId"]


def _create(pool: "CognitoIdentityProviderClient", pool_id: str, email: str) -> bool:
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
        print(enrol(arguments.email, arguments.role, deployment=arguments.name))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{arguments.email} is not enrolled: {error}")


if __name__ == "__main__":
    main()
