"""What closes a bucket: to the public, and to whoever speaks without TLS."""

import pulumi
import pulumi_aws as aws

from vodstack_platform.policy import Statement


def close_to_the_public(
    name: str, bucket_name: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> aws.s3.BucketPublicAccessBlock:
    """A bucket's policy comes after this: S3 refuses two concurrent changes of a bucket's access settings."""
    return aws.s3.BucketPublicAccessBlock(
        f"{name}-private",
        bucket=bucket_name,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )


def tls_only(bucket_arn: pulumi.Output[str]) -> Statement:
    return Statement(
        sid="TlsOnly",
        effect="Deny",
        principal="*",
        actions=["s3:*"],
        resources=[bucket_arn, pulumi.Output.concat(bucket_arn, "/*")],
        condition={"Bool": {"aws:SecureTransport": "false"}},
    )
