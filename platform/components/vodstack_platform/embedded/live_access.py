"""IAM roles with policies that moto can judge, and registries."""

import json
from collections.abc import Callable
from typing import Any, Final, cast

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.policies import loosened


def make_role(creation: Creation) -> Outputs:
    boundary = creation.inputs.get("permissionsBoundary")
    made = creation.client("iam").create_role(
        RoleName=creation.physical_name(),
        Path=creation.inputs.get("path") or "/",
        AssumeRolePolicyDocument=creation.inputs["assumeRolePolicy"],
        Description=creation.inputs.get("description") or "",
        Tags=[{"Key": key, "Value": value} for key, value in creation.tags.items()],
        **({"PermissionsBoundary": boundary} if boundary else {}),
    )["Role"]
    return {"arn": made["Arn"], "uniqueId": made["RoleId"]}


def make_role_policy(creation: Creation) -> Outputs:
    creation.client("iam").put_role_policy(
        RoleName=creation.inputs["role"],
        PolicyName=creation.physical_name(),
        PolicyDocument=json.dumps(loosened(str(creation.inputs["policy"]))),
    )
    return {}


def make_policy(creation: Creation) -> Outputs:
    made = creation.client("iam").create_policy(
        PolicyName=creation.physical_name(),
        Path=creation.inputs.get("path") or "/",
        PolicyDocument=json.dumps(loosened(str(creation.inputs["policy"]))),
    )["Policy"]
    return {"id": made["Arn"], "arn": made["Arn"]}


def attach_policy(creation: Creation) -> Outputs:
    arn = str(creation.inputs["policyArn"])
    # moto knows AWS's own policies only when told to load them all, which takes seconds; no service of ours uses one.
    if not arn.startswith("arn:aws:iam::aws:"):
        creation.client("iam").attach_role_policy(RoleName=creation.inputs["role"], PolicyArn=arn)
    return {}


def make_repository(creation: Creation) -> Outputs:
    scanning = cast("dict[str, Any]", creation.inputs.get("imageScanningConfiguration") or {})
    filters = creation.inputs.get("imageTagMutabilityExclusionFilters")
    made = creation.client("ecr").create_repository(
        repositoryName=creation.physical_name(),
        imageTagMutability=creation.inputs.get("imageTagMutability") or "MUTABLE",
        **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
        imageScanningConfiguration={"scanOnPush": bool(scanning.get("scanOnPush"))},
    )["repository"]
    return {"arn": made["repositoryArn"], "registryId": made["registryId"], "repositoryUrl": made["repositoryUri"]}


ACCESS: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:iam/role:Role": make_role,
    "aws:iam/rolePolicy:RolePolicy": make_role_policy,
    "aws:iam/policy:Policy": make_policy,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": attach_policy,
    "aws:ecr/repository:Repository": make_repository,
}
