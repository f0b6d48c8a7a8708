"""The providers of a stack. All are explicit: a shell's ambient kubectl context is never hit by chance."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

# Every service that the program calls, for an emulator answers on one address for all of them.
_EMULATED_SERVICES = (
    "budgets",
    "cloudwatch",
    "cloudformation",
    "cognitoidp",
    "dynamodb",
    "ec2",
    "ecr",
    "eks",
    "iam",
    "kms",
    "s3",
    "sns",
    "sqs",
    "ssm",
    "sts",
)
_EMULATOR_CREDENTIAL = "test"


def aws_provider(region: str, profile: str | None, tags: Mapping[str, str], endpoint: str | None) -> aws.Provider:
    default_tags = aws.ProviderDefaultTagsArgs(tags=tags)
    if endpoint is None:
        return aws.Provider("aws", region=region, profile=profile, default_tags=default_tags)
    return aws.Provider(
        "aws",
        region=region,
        default_tags=default_tags,
        access_key=_EMULATOR_CREDENTIAL,
        secret_key=_EMULATOR_CREDENTIAL,
        endpoints=[aws.ProviderEndpointArgs(**dict.fromkeys(_EMULATED_SERVICES, endpoint))],
        s3_use_path_style=True,
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
    )


def kubernetes_provider(
    name: str = "kubernetes", *, kubeconfig: pulumi.Input[str] | None = None, context: str | None = None
) -> kubernetes.Provider:
    """A provider for the cluster of `kubeconfig`, or of the named context of the user's own one."""
    return kubernetes.Provider(
        name,
        kubeconfig=None if kubeconfig is None else pulumi.Output.secret(kubeconfig),
        context=context,
        enable_server_side_apply=True,
        # A changed ConfigMap keeps its name; the checksum in the pods' annotations rolls them.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
