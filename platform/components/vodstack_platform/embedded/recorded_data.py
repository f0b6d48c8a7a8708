"""Foundation's types: what holds data, who may touch it, and what is published of it."""

import json
from collections.abc import Callable
from typing import Final

from vodstack_platform.embedded.creation import Creation, Outputs
from vodstack_platform.embedded.emulator import ACCOUNT_ID


def bucket(creation: Creation) -> Outputs:
    name = creation.physical_name("bucket")
    return {
        "id": name,
        "bucket": name,
        "arn": f"arn:aws:s3:::{name}",
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{creation.region}.amazonaws.com",
        "bucketRegion": creation.region,
        "hostedZoneId": "Z3AQBSTGFYJSTF",
    }


def of_bucket(creation: Creation) -> Outputs:
    """A side resource of a bucket has the bucket's name as its id."""
    return {"id": str(creation.inputs["bucket"])}


def queue(creation: Creation) -> Outputs:
    name = creation.physical_name()
    url = f"https://sqs.{creation.region}.amazonaws.com/{ACCOUNT_ID}/{name}"
    return {"id": url, "url": url, "name": name, "arn": creation.arn("sqs", name)}


def of_queue(creation: Creation) -> Outputs:
    return {"id": str(creation.inputs["queueUrl"])}


def table(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("dynamodb", f"table/{name}")}


def role(creation: Creation) -> Outputs:
    name = creation.physical_name()
    path = str(creation.inputs.get("path") or "/")
    return {
        "id": name,
        "name": name,
        "arn": creation.arn("iam", f"role{path}{name}", regional=False),
        "uniqueId": f"AROA{creation.suffix.upper()}",
    }


def policy(creation: Creation) -> Outputs:
    name = creation.physical_name()
    path = str(creation.inputs.get("path") or "/")
    arn = creation.arn("iam", f"policy{path}{name}", regional=False)
    return {"id": arn, "arn": arn, "name": name}


def role_policy(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": f"{creation.inputs['role']}:{name}", "name": name}


def attachment(creation: Creation) -> Outputs:
    return {"id": f"{creation.inputs['role']}-{creation.suffix}"}


def oidc_provider(creation: Creation) -> Outputs:
    url = str(creation.inputs["url"]).removeprefix("https://")
    arn = creation.arn("iam", f"oidc-provider/{url}", regional=False)
    return {"id": arn, "arn": arn, "url": url}


def parameter(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("ssm", f"parameter/{name.removeprefix('/')}"), "version": 1}


def key(creation: Creation) -> Outputs:
    key_id = f"00000000-0000-4000-8000-00000{creation.suffix}"
    return {"id": key_id, "keyId": key_id, "arn": creation.arn("kms", f"key/{key_id}")}


def alias(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {"id": name, "name": name, "arn": creation.arn("kms", name)}


def repository(creation: Creation) -> Outputs:
    name = creation.physical_name()
    return {
        "id": name,
        "name": name,
        "arn": creation.arn("ecr", f"repository/{name}"),
        "registryId": ACCOUNT_ID,
        "repositoryUrl": f"{ACCOUNT_ID}.dkr.ecr.{creation.region}.amazonaws.com/{name}",
    }


def of_repository(creation: Creation) -> Outputs:
    return {"id": str(creation.inputs["repository"]), "registryId": ACCOUNT_ID}


def user_pool(creation: Creation) -> Outputs:
    pool_id = f"{creation.region}_{creation.suffix}"
    return {
        "id": pool_id,
        "name": creation.physical_name(),
        "arn": creation.arn("cognito-idp", f"userpool/{pool_id}"),
        "endpoint": f"cognito-idp.{creation.region}.amazonaws.com/{pool_id}",
    }


def cloudformation_stack(creation: Creation) -> Outputs:
    """Each output of the template has an id of its own, as a reference to a resource would."""
    name = creation.physical_name()
    arn = creation.arn("cloudformation", f"stack/{name}/{creation.suffix}")
    named: dict[str, object] = json.loads(str(creation.inputs["templateBody"])).get("Outputs", {})
    told = {each: creation.identifier(each.lower()).partition("-")[2] for each in named}
    return {"id": arn, "name": name, "outputs": told}


def user_pool_domain(creation: Creation) -> Outputs:
    return {"id": str(creation.inputs["domain"])}


def resource_server(creation: Creation) -> Outputs:
    return {"id": f"{creation.inputs['userPoolId']}|{creation.inputs['identifier']}"}


DATA: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:s3/bucket:Bucket": bucket,
    **dict.fromkeys(
        (
            "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            "aws:s3/bucketNotification:BucketNotification",
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            "aws:s3/bucketPolicy:BucketPolicy",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "aws:s3/bucketVersioning:BucketVersioning",
        ),
        of_bucket,
    ),
    "aws:sqs/queue:Queue": queue,
    "aws:sqs/queuePolicy:QueuePolicy": of_queue,
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": of_queue,
    "aws:sqs/redrivePolicy:RedrivePolicy": of_queue,
    "aws:dynamodb/table:Table": table,
    "aws:iam/role:Role": role,
    "aws:iam/policy:Policy": policy,
    "aws:iam/rolePolicy:RolePolicy": role_policy,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": attachment,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": oidc_provider,
    "aws:ssm/parameter:Parameter": parameter,
    "aws:kms/key:Key": key,
    "aws:kms/alias:Alias": alias,
    "aws:ecr/repository:Repository": repository,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": of_repository,
    "aws:cloudformation/stack:Stack": cloudformation_stack,
    "aws:cognito/userPool:UserPool": user_pool,
    "aws:cognito/userPoolDomain:UserPoolDomain": user_pool_domain,
    "aws:cognito/resourceServer:ResourceServer": resource_server,
}
