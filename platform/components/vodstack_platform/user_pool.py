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
        """Made by CloudFormation, which tells its id alone: as a resource of Pulumi's, its secret would be state."""
        made = aws.cloudformation.Stack(
            name,
            name=client_stack_name(self._args.pool_name),
            template_body=pulumi.Output.json_dumps(
                _client_template(self._args.settings, pool_id), sort_keys=True, separators=(",", ":")
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=self._args.protect, depends_on=[server]),
        )
        return made.outputs.apply(lambda outputs: outputs["ClientId"])


def client_stack_name(pool_name: str) -> str:
    """CloudFormation's name of the stack that holds the client: letters, digits and hyphens."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', pool_name)}-client"


def _client_template(settings: CognitoSettings, pool_id: pulumi.Output[str]) -> dict[str, object]:
    properties = {
        "ClientName": "machine",
        "UserPoolId": pool_id,
        "GenerateSecret": True,
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["client_credentials"],
        "AllowedOAuthScopes": [f"{SCOPE_PREFIX}{scope}" for scope in settings.machine_scopes],
        "AccessTokenValidity": settings.token_minutes,
        "TokenValidityUnits": {"AccessToken": "minutes"},
        "PreventUserExistenceErrors": "ENABLED",
    }
    return {
        "Description": "The client of vodstack's issuer for programs",
        "Resources": {"Client": {"Type": "AWS::Cognito::UserPoolClient", "Properties": properties}},
        "Outputs": {"ClientId": {"Value": {"Ref": "Client"}}},
    }


def _domain(args: UserPoolArgs) -> pulumi.Input[str]:
    if args.settings.domain:
        return args.settings.domain
    # A stack's name has characters that a host's has not.
    return pulumi.Output.concat(
        re.sub(r"[^a-z0-9]+", "-", args.pool_name.lower())[:48].strip("-"), "-", args.account_id
    )
