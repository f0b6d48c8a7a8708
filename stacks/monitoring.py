import pulumi_aws as aws

from cluster import ClusterTarget
from vodstack_platform.config import StackSettings


def build(settings: StackSettings, cluster: ClusterTarget, provider: aws.Provider) -> None:
    """The layer's place; its resources come next."""
    del settings, cluster, provider
