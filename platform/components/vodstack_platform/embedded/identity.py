"""Who a process is to AWS: the role that its ServiceAccount's pod identity names, and the keys of that role."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from vodstack_contracts.environment import Variable
from vodstack_platform.embedded.deployed import Deployed, Resource
from vodstack_platform.embedded.emulator import ACCOUNT_ID, Credentials, Emulator
from vodstack_platform.embedded.errors import EngineError
from vodstack_platform.embedded.policies import allows, granted, many, statements_of

_ASSOCIATION: Final = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
_AGENT: Final = "pods.eks.amazonaws.com"
_AGENT_ACTIONS: Final = ("sts:AssumeRole", "sts:TagSession")


class Account(Protocol):
    """The ServiceAccount that a process runs as."""

    @property
    def namespace(self) -> str: ...

    @property
    def service_account(self) -> str: ...


@dataclass(frozen=True)
class Role:
    """A role with the policies that the program gave it, as written."""

    resource: Resource
    policies: tuple[str, ...]

    @property
    def arn(self) -> str:
        return str(self.resource.outputs["arn"])

    def allows(self, action: str, resource: str) -> bool:
        """Whether AWS would let this role do `action` to the resource of that ARN, by its policies alone."""
        return allows(self.policies, action, resource)


def role_of(deployed: Deployed, account: Account) -> Role | None:
    """The role of a ServiceAccount's pods; None when nothing associates one. Raises EngineError."""
    wanted = (account.namespace, account.service_account)
    for association in deployed.of_type(_ASSOCIATION):
        if (association.inputs["namespace"], association.inputs["serviceAccount"]) == wanted:
            return role_by_arn(deployed, str(association.inputs["roleArn"]))
    return None


def role_by_arn(deployed: Deployed, arn: str) -> Role:
    """Raises EngineError."""
    for resource in deployed.of_type("aws:iam/role:Role"):
        if resource.outputs["arn"] == arn:
            return Role(resource, tuple(_policies_of(deployed, resource)))
    raise EngineError(f"a pod identity names the role {arn}, which this program does not make")


def environment_for(
    deployed: Deployed, emulator: Emulator, account: Account, configured: Mapping[str, str]
) -> dict[str, str]:
    """The keys of a process's role as environment variables; none where it has no role, as in a cluster.

    Raises EngineError when the pod identity agent could not assume the role, or when the process is `configured` with
    a table or queue that its role's policies leave out or deny: moto does not look at their names.
    """
    role = role_of(deployed, account)
    if role is None:
        return {}
    _require_trust(role)
    for variable, action_prefix, arn in _configured_resources(configured, deployed.region):
        actions = granted(role.policies, action_prefix)
        if actions and not any(role.allows(action, arn) for action in actions):
            raise EngineError(
                f"{account.namespace}/{account.service_account} is configured with {variable}={configured[variable]}, "
                f"yet its role's policies leave out or deny {arn}"
            )
    return assume(role, emulator, deployed.region, session=account.service_account).environment


def assume(role: Role, emulator: Emulator, region: str, *, session: str) -> Credentials:
    """Keys of the role's session. Ask before IAM is enforced."""
    sts: Any = emulator.client("sts", region)
    keys = sts.assume_role(RoleArn=role.arn, RoleSessionName=session)["Credentials"]
    return Credentials(
        access_key_id=keys["AccessKeyId"], secret_access_key=keys["SecretAccessKey"], session_token=keys["SessionToken"]
    )


def _policies_of(deployed: Deployed, role: Resource) -> list[str]:
    names = {role.id, role.outputs.get("name")}
    inline = [
        p.inputs["policy"] for p in deployed.of_type("aws:iam/rolePolicy:RolePolicy") if p.inputs["role"] in names
    ]
    attached = {
        attachment.inputs["policyArn"]
        for attachment in deployed.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        if attachment.inputs["role"] in names
    }
    managed = [p.inputs["policy"] for p in deployed.of_type("aws:iam/policy:Policy") if p.outputs["arn"] in attached]
    return [str(policy) for policy in (*inline, *managed)]


def _require_trust(role: Role) -> None:
    trusted = [
        action
        for statement in statements_of(str(role.resource.inputs["assumeRolePolicy"]))
        if statement["Effect"] == "Allow" and _trusts_agent(statement.get("Principal"))
        for action in many(statement["Action"])
    ]
    if missing := [action for action in _AGENT_ACTIONS if action not in trusted]:
        raise EngineError(f"the role {role.arn} does not let {_AGENT} do {' and '.join(missing)}")


def _trusts_agent(principal: object) -> bool:
    return isinstance(principal, dict) and _AGENT in many(cast("dict[str, object]", principal).get("Service", []))


def _configured_resources(configured: Mapping[str, str], region: str) -> list[tuple[str, str, str]]:
    found = [
        (str(variable), "dynamodb:", f"arn:aws:dynamodb:{region}:{ACCOUNT_ID}:table/{configured[variable]}")
        for variable in (Variable.DYNAMODB_TABLE, Variable.WORK_TABLE)
        if configured.get(variable)
    ]
    found += [
        (str(variable), "sqs:", f"arn:aws:sqs:{region}:{ACCOUNT_ID}:{configured[variable].rpartition('/')[2]}")
        for variable in (Variable.SQS_QUEUE_URL, Variable.CHUNKS_QUEUE_URL)
        if configured.get(variable)
    ]
    return found
