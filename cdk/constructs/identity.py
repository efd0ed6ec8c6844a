"""Who people and machines are: the Cognito user pool, its groups and its two clients."""

from aws_cdk import Aws, Duration, Fn, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from cdk.constructs.nag import accept

GROUPS = {
    "user": "Books vehicles and sees everything of the lab",
    "power_user": "Also moves, extends and cancels what others booked",
    "admin": "Also keeps dynos, vehicles and users",
}
READ_METRICS = cognito.ResourceServerScope(scope_name="read", scope_description="Scrape /metrics/prometheus")


class Identity(Construct):
    """
    The user pool: people sign in with an ID token, machines with an access token that bears a scope.

    Attributes:
        web: The client people's tokens are for.
        scraper: The client of Prometheus; it may scrape and nothing else.
        domain: Where people and machines are given tokens.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.pool = self._pool()
        self._groups()
        self.web = self._web()
        metrics = self.pool.add_resource_server("Metrics", identifier="metrics", scopes=[READ_METRICS])
        self.scrape_scope = cognito.OAuthScope.resource_server(metrics, READ_METRICS)
        self.scraper = self._scraper()
        self.domain = self.pool.add_domain(
            "Domain",
            # Prefixes are shared by the whole region's customers; a stack's id is in nobody else's.
            cognito_domain=cognito.CognitoDomainOptions(
                domain_prefix=f"dyno-{Fn.select(2, Fn.split('/', Aws.STACK_ID))}"
            ),
        )

    @property
    def issuer(self) -> str:
        """What the claim `iss` of the pool's tokens says."""
        return f"https://cognito-idp.{Aws.REGION}.amazonaws.com/{self.pool.user_pool_id}"

    @property
    def token_url(self) -> str:
        """Where a machine exchanges its client secret for a token."""
        return f"{self.domain.base_url()}/oauth2/token"

    def _pool(self) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "Pool",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=Duration.days(7),
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        accept(
            pool,
            {
                "AwsSolutions-COG2": "A second factor is each user's choice, because scripts fetch tokens by password.",
                "AwsSolutions-COG8": "The Plus plan is threat protection: billed by user, where nobody can sign up.",
            },
        )
        return pool

    def _groups(self) -> None:
        for name, description in GROUPS.items():
            cognito.CfnUserPoolGroup(
                self,
                f"Group-{name}",
                user_pool_id=self.pool.user_pool_id,
                group_name=name,
                description=description,
            )

    def _web(self) -> cognito.UserPoolClient:
        return self.pool.add_client(
            "Web",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(admin_user_password=True, user_srp=True),
            disable_o_auth=True,
            id_token_validity=Duration.hours(24),
            access_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
        )

    def _scraper(self) -> cognito.UserPoolClient:
        client = self.pool.add_client(
            "Scraper",
            generate_secret=True,
            o_auth=cognito.OAuthSettings(flows=cognito.OAuthFlows(client_credentials=True), scopes=[self.scrape_scope]),
            # It may read the exposition and nothing else, and each new one is billed.
            access_token_validity=Duration.hours(12),
            enable_token_revocation=True,
        )
        # Unless told otherwise Cognito would let people sign in through it.
        resource = client.node.default_child
        if isinstance(resource, cognito.CfnUserPoolClient):
            resource.explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]
        return client
