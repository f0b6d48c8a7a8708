import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

CACHE_TAG = "build-cache"


@dataclass(frozen=True, kw_only=True)
class ImageRegistryArgs:
    """Which images are kept, and by what they are encrypted."""

    repository_name: str
    """Name of the repository, which an account has once a region."""
    key_arn: pulumi.Input[str]
    """KMS key of the images."""
    keep_images: int = 30
    """Images that it keeps; older ones are expired."""
    force_delete: bool = False
    """Let a destroy take the images along."""


class ImageRegistry(pulumi.ComponentResource):
    """A repository whose tags never move, but for the build cache's, and whose images are scanned as they come."""

    repository_url: pulumi.Output[str]
    repository_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ImageRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:ImageRegistry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        repository = aws.ecr.Repository(
            name,
            name=args.repository_name,
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[
                aws.ecr.RepositoryImageTagMutabilityExclusionFilterArgs(filter=CACHE_TAG, filter_type="WILDCARD")
            ],
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=args.key_arn)
            ],
            force_delete=args.force_delete,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-lifecycle", repository=repository.name, policy=_expire_beyond(args.keep_images), opts=child
        )
        self.repository_url, self.repository_arn = repository.repository_url, repository.arn
        self.register_outputs({"repository_url": self.repository_url})


def _expire_beyond(count: int) -> str:
    rule = {
        "rulePriority": 1,
        "description": f"Keep the {count} newest images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]}, sort_keys=True, separators=(",", ":"))
