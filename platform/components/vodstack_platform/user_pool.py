import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.cognito import CognitoSettings

SCOPE_PREFIX = "vodstack/"
SCOPES = {
    "videos:read": "Look at one's own videos",
    "videos:write": "Upload, change and delete one's own videos",
    "videos:admin": "Everything, on everybody's videos",
}
_IDENTIFIER = SCOPE_PREFIX.removesuffix("/")
_PASSWORD_CHARACTERS = 16


@dataclass(frozen=True, kw_only=True)
class UserPoolArgs:
    """How the pool is called, and whose it is."""

    pool_name: str
    """What consoles show; the start of the domain where the config names none."""
    account_id: pulumi.Input[str]
    """Makes that domain unique."""
    region: pulumi.Input[str]
    """Region of the pool."""
    settings: CognitoSettings
    """The domain, the client and its tokens."""
    protect: bool
    """Make Pulumi refuse to delete the pool and its client. Turn it off in an `up` before a `destroy`."""


class UserPool(pulumi.ComponentResource):
    """An issuer of access tokens for the API, with one client, which is a program."""

    issuer: pulumi.Output[str]
    client_ids: pulumi.Output[str]
    token_url: pulumi.Output[str]

    def __init__(self, name: str, args: UserPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:UserPool", name, None, opts)
        self._args = args
        # Clients know the pool by its issuer, and its clients by their secrets: nothing brings them back.
        self._kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        pool = self._pool(name)
        server = aws.cognito.ResourceServer(
            name,
            identifier=_IDENTIFIER,
            name=_IDENTIFIER,
            user_pool_id=pool.id,
            scopes=[
                aws.cognito.ResourceServerScopeArgs(scope_name=scope, scope_description=meaning)
                for scope, meaning in SCOPES.items()
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        domain = aws.cognito.UserPoolDomain(
            name, domain=_domain(args), user_pool_id=pool.id, opts=pulumi.ResourceOptions(parent=self)
        )
        self.issuer = pulumi.Output.concat("https://", pool.endpoint)
        self.client_ids = self._client(f"{name}-machine", pool.id, server)
        self.token_url = pulumi.Output.concat(
            "https://", domain.domain, ".auth.", args.region, ".amazoncognito.com/oauth2/token"
        )
        self.register_outputs({"issuer": self.issuer, "client_ids": self.client_ids, "token_url": self.token_url})

    def _pool(self, name: str) -> aws.cognito.UserPool:
        return aws.cognito.UserPool(
            name,
            name=self._args.pool_name,
            deletion_protection="ACTIVE" if self._args.settings.deletion_protection else "INACTIVE",
            # Whoever could sign up would be let in.
            admin_create_user_config=aws.cognito.UserPoolAdminCreateUserConfigArgs(allow_admin_create_user_only=True),
            password_policy=aws.cognito.UserPoolPasswordPolicyArgs(minimum_length=_PASSWORD_CHARACTERS),
            opts=self._kept,
        )

    def _client(self, name: str, pool_id: pulumi.Output[str], server: aws.cognito.ResourceServer) -> pulumi.Output[str]:
        settings = self._args.settings
        client = aws.cognito.UserPoolClient(
            name,
            name="machine",
            user_pool_id=pool_id,
            generate_secret=True,
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["client_credentials"],
            allowed_oauth_scopes=[f"{SCOPE_PREFIX}{scope}" for scope in settings.machine_scopes],
            access_token_validity=settings.token_minutes,
            token_validity_units=aws.cognito.UserPoolClientTokenValidityUnitsArgs(access_token="minutes"),  # noqa: S106 - a unit
            prevent_user_existence_errors="ENABLED",
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=self._args.protect,
                depends_on=[server],
                additional_secret_outputs=["clientSecret"],
            ),
        )
        return client.id


def _domain(args: UserPoolArgs) -> pulumi.Input[str]:
    if args.settings.domain:
        return args.settings.domain
    # A stack's name has characters that a host's has not.
    return pulumi.Output.concat(
        re.sub(r"[^a-z0-9]+", "-", args.pool_name.lower())[:48].strip("-"), "-", args.account_id
    )
