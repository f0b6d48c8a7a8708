from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.foundation import GithubSettings
from vodstack_platform.deployment_access import Territory, deploy_statements, preview_statements
from vodstack_platform.policy import Statement, policy_document

_ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
_SESSION_SECONDS = 3600
# A managed policy holds 6,144 characters. What a resource's ARN takes is only guessed at: it may be unknown yet.
_PART_CHARACTERS = 5_000
_RESOURCE_CHARACTERS = 120


@dataclass(frozen=True, kw_only=True)
class GithubDeliveryArgs:
    """Whose workflows deploy, and what is theirs to change."""

    settings: GithubSettings
    """The repository and its environment."""
    territory: Territory
    """Names within which the stack's resources lie."""


class GithubDelivery(pulumi.ComponentResource):
    """The roles that GitHub's workflows take by OIDC: no key is stored anywhere."""

    deploy_role_arn: pulumi.Output[str]
    preview_role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: GithubDeliveryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:GithubDelivery", name, None, opts)
        self._args = args
        self._issuer_arn = self._issuer()
        repository = f"repo:{args.settings.repository}"
        self.deploy_role_arn = self._role(
            "deploy", f"{repository}:environment:{args.settings.environment}", deploy_statements(args.territory)
        )
        self.preview_role_arn = self._role("preview", f"{repository}:pull_request", preview_statements(args.territory))
        self.register_outputs({"deploy_role_arn": self.deploy_role_arn, "preview_role_arn": self.preview_role_arn})

    def _issuer(self) -> pulumi.Output[str]:
        if not self._args.settings.create_oidc_provider:
            return self._args.territory.iam(f"oidc-provider/{_ISSUER}")
        provider = aws.iam.OpenIdConnectProvider(
            "github",
            url=f"https://{_ISSUER}",
            client_id_lists=[_AUDIENCE],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return provider.arn

    def _role(self, name: str, subject: str, statements: list[Statement]) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            path=self._args.territory.delivery_path,
            description=f"vodstack {name} of {pulumi.get_stack()} from GitHub",
            max_session_duration=_SESSION_SECONDS,
            assume_role_policy=policy_document(
                Statement(
                    sid="GitHub",
                    principal={"Federated": self._issuer_arn},
                    actions=["sts:AssumeRoleWithWebIdentity"],
                    condition={"StringEquals": {f"{_ISSUER}:aud": _AUDIENCE, f"{_ISSUER}:sub": subject}},
                )
            ),
            opts=child,
        )
        for number, part in enumerate(_parts(statements)):
            policy = aws.iam.Policy(
                f"{name}-{number}",
                path=self._args.territory.delivery_path,
                policy=policy_document(*part),
                opts=child,
            )
            aws.iam.RolePolicyAttachment(f"{name}-{number}", role=role.name, policy_arn=policy.arn, opts=child)
        return role.arn


def _parts(statements: list[Statement]) -> list[list[Statement]]:
    """The statements in groups, each of which fits into one policy."""
    parts: list[list[Statement]] = [[]]
    size = 0
    for statement in statements:
        length = _length(statement)
        if parts[-1] and size + length > _PART_CHARACTERS:
            parts.append([])
            size = 0
        parts[-1].append(statement)
        size += length
    return parts


def _length(statement: Statement) -> int:
    return sum(len(action) + 3 for action in statement.actions) + _RESOURCE_CHARACTERS * (len(statement.resources) + 2)
