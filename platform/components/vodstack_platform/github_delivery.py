from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.foundation import GithubSettings
from vodstack_platform.deployment_access import Territory, deploy_statements, preview_statements
from vodstack_platform.policy import Statement, policy_document

_ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
_SESSION_SECONDS = 3600
# The workflow files, and the git references at which GitHub says they ran: main's, and a pull request's merge.
DEPLOY_WORKFLOW = "deploy.yml@refs/heads/main"
PREVIEW_WORKFLOW = "preview.yml@refs/pull/*/merge"
# A managed policy holds 6,144 characters. What a resource's ARN takes is only guessed at: it may be unknown yet.
_PART_CHARACTERS = 5_000
_RESOURCE_CHARACTERS = 120


Condition = Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[pulumi.Input[str]]]]


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
        deploys = trust(args.settings, f"environment:{args.settings.environment}", DEPLOY_WORKFLOW)
        self.deploy_role_arn = self._role("deploy", deploys, deploy_statements(args.territory))
        previews = trust(args.settings, "pull_request", PREVIEW_WORKFLOW)
        self.preview_role_arn = self._role("preview", previews, preview_statements(args.territory))
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

    def _role(self, name: str, trusted: Condition, statements: list[Statement]) -> pulumi.Output[str]:
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
                    condition=trusted,
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


def trust(settings: GithubSettings, context: str, workflow: str) -> Condition:
    """Which of GitHub's tokens take a role: those of one workflow file of this repository, which its ids tell.

    A name can be given up and taken by somebody else, an id cannot. GitHub writes the ids into the subject of
    repositories made, renamed or opted in since July 2026, and leaves them out in older ones.
    """
    owner, _, name = settings.repository.partition("/")
    numbered = f"{owner}@{settings.owner_id}/{name}@{settings.repository_id}"
    return {
        "StringEquals": {
            f"{_ISSUER}:aud": _AUDIENCE,
            f"{_ISSUER}:sub": [f"repo:{settings.repository}:{context}", f"repo:{numbered}:{context}"],
            f"{_ISSUER}:repository_id": str(settings.repository_id),
            f"{_ISSUER}:repository_owner_id": str(settings.owner_id),
        },
        "StringLike": {f"{_ISSUER}:job_workflow_ref": f"{settings.repository}/.github/workflows/{workflow}"},
    }


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
