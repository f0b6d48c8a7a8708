from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.closed_bucket import close_to_the_public, tls_only
from vodstack_platform.config.exposure import AccessLogSettings
from vodstack_platform.policy import Statement, policy_document

LOGS_PREFIX = "api"
_NAME_CHARACTERS = 31
_SENDER = "logdelivery.elasticloadbalancing.amazonaws.com"


def logs_name_prefix(bucket_prefix: str) -> str:
    """What the bucket's name starts with, made of that of the videos' bucket."""
    return f"{bucket_prefix[:_NAME_CHARACTERS].rstrip('-')}-logs-"


@dataclass(frozen=True, kw_only=True)
class AccessLogBucketArgs:
    """Whose load balancers write, and for how long it is kept. Nobody else of any account or region may write."""

    name_prefix: str
    """Start of the bucket's name; AWS appends a unique end."""
    account_id: pulumi.Input[str]
    """The account of the load balancers."""
    region: pulumi.Input[str]
    """Their AWS region."""
    settings: AccessLogSettings
    """Days that a log is kept."""


class AccessLogBucket(pulumi.ComponentResource):
    """The private bucket of a load balancer's access logs."""

    ready_name: pulumi.Output[str]

    def __init__(self, name: str, args: AccessLogBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:AccessLogBucket", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(
            name,
            bucket_prefix=args.name_prefix,
            force_destroy=args.settings.force_destroy,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["bucketPrefix"]),
        )
        self._encrypt(name, bucket)
        self._expire(name, bucket, args.settings.retention_days)
        policy = self._close(name, bucket, args)
        # AWS writes a first object the moment a load balancer is told of the bucket.
        self.ready_name = pulumi.Output.all(bucket.bucket, policy.urn).apply(lambda both: str(both[0]))
        self.register_outputs({"ready_name": self.ready_name})

    def _encrypt(self, name: str, bucket: aws.s3.Bucket) -> None:
        """Load balancers write under S3's own key alone."""
        by_s3 = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256"
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=by_s3)
            ],
            opts=self._child,
        )

    def _expire(self, name: str, bucket: aws.s3.Bucket, days: int) -> None:
        rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="expire",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
        )
        aws.s3.BucketLifecycleConfiguration(f"{name}-lifecycle", bucket=bucket.bucket, rules=[rule], opts=self._child)

    def _close(self, name: str, bucket: aws.s3.Bucket, args: AccessLogBucketArgs) -> aws.s3.BucketPolicy:
        block = close_to_the_public(name, bucket.bucket, self._child)
        return aws.s3.BucketPolicy(
            f"{name}-writers",
            bucket=bucket.bucket,
            policy=_policy(bucket.arn, args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )


def _policy(bucket_arn: pulumi.Output[str], args: AccessLogBucketArgs) -> pulumi.Output[str]:
    objects = pulumi.Output.concat(bucket_arn, f"/{LOGS_PREFIX}/AWSLogs/", args.account_id, "/*")
    balancers = pulumi.Output.concat(
        "arn:aws:elasticloadbalancing:", args.region, ":", args.account_id, ":loadbalancer/*"
    )
    return policy_document(
        Statement(
            sid="LoadBalancers",
            principal={"Service": _SENDER},
            actions=["s3:PutObject"],
            resources=[objects],
            condition={"ArnLike": {"aws:SourceArn": balancers}},
        ),
        tls_only(bucket_arn),
    )
