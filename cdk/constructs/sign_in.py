"""How people show a load balancer who they are: by the service's own user pool."""

from aws_cdk import Duration
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_elasticloadbalancingv2_actions as actions
from constructs import Construct

from cdk.constructs.identity import Identity


class SignIn(Construct):
    """
    The client by which a load balancer has people sign in; whoever is in the pool may.

    Args:
        host: The load balancer's name, as its certificate has it.
    Source:
        Elastic Load Balancing, "Authenticate users using an Application Load Balancer": a secret, the code grant, and
        the callback's path.
    """

    def __init__(self, scope: Construct, construct_id: str, *, identity: Identity, host: str) -> None:
        super().__init__(scope, construct_id)
        self._identity = identity
        self._client = cognito.UserPoolClient(
            self,
            "Client",
            user_pool=identity.pool,
            generate_secret=True,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID],
                callback_urls=[f"https://{host}/oauth2/idpresponse"],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
        )
        # Unless told otherwise Cognito would let people sign in through it past the page, too.
        resource = self._client.node.default_child
        if isinstance(resource, cognito.CfnUserPoolClient):
            resource.explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]

    def before(self, action: elbv2.ListenerAction) -> elbv2.ListenerAction:
        """The same action for those who have signed in; the others are sent to the pool's page."""
        return actions.AuthenticateCognitoAction(
            user_pool=self._identity.pool,
            user_pool_client=self._client,
            user_pool_domain=self._identity.domain,
            session_timeout=Duration.hours(12),
            next=action,
        )
