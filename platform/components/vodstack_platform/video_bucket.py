import re
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_contracts.objects import ORIGINALS_PREFIX
from vodstack_platform.closed_bucket import close_to_the_public, tls_only
from vodstack_platform.config.foundation import BucketSettings
from vodstack_platform.policy import policy_document

_EXPOSED_HEADERS = ("ETag", "Content-Length", "Content-Range", "Accept-Ranges")
_CORS_CACHE_SECONDS = 3600
_PREFIX_CHARACTERS = 36


def name_prefix(settings: BucketSettings, stack: str) -> str:
    """What a bucket's name starts with. AWS appends 26 characters, and takes fewer kinds than a stack's name has."""
    whole = re.sub(r"[^a-z0-9-]", "-", f"{settings.prefix}-{stack.lower()}")
    return f"{whole[:_PREFIX_CHARACTERS].rstrip('-')}-"


@dataclass(frozen=True, kw_only=True)
class VideoBucketArgs:
    """A name, a key, and how long what is kept."""

    stack: str
    """Part of the bucket's name."""
    settings: BucketSettings
    """Start of its name, web origins, days."""
    key_arn: pulumi.Input[str]
    """KMS key of the objects."""
    protect: bool
    """Make Pulumi refuse to delete it."""


class VideoBucket(pulumi.ComponentResource):
    """The private bucket of originals and renditions."""

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: VideoBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:VideoBucket", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        # A bucket that stays when the rest is removed stays closed, encrypted and versioned.
        self._kept = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self._bucket = aws.s3.Bucket(
            name,
            bucket_prefix=name_prefix(args.settings, args.stack),
            force_destroy=args.settings.force_destroy,
            # A bucket keeps its name, whatever its stack or its config is called later.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, ignore_changes=["bucketPrefix"]),
        )
        self.bucket_name = self._bucket.bucket
        self.bucket_arn = self._bucket.arn
        self._close_to_the_public()
        self._encrypt(args.key_arn)
        self._keep(args.settings)
        self._allow_browsers(args.settings.cors_origins)
        self.register_outputs({"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn})

    def notify(self, queue_arn: pulumi.Input[str], after: pulumi.Resource) -> None:
        """Tell `queue_arn` of every original. S3 probes the queue at once, so its policy (`after`) comes first."""
        aws.s3.BucketNotification(
            f"{self._name}-arrivals",
            bucket=self.bucket_name,
            queues=[
                aws.s3.BucketNotificationQueueArgs(
                    id="arrivals", queue_arn=queue_arn, events=["s3:ObjectCreated:*"], filter_prefix=ORIGINALS_PREFIX
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )

    def _close_to_the_public(self) -> None:
        access_block = close_to_the_public(self._name, self.bucket_name, self._kept)
        aws.s3.BucketOwnershipControls(
            f"{self._name}-owner",
            bucket=self.bucket_name,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._kept,
        )
        aws.s3.BucketPolicy(
            f"{self._name}-tls",
            bucket=self.bucket_name,
            policy=policy_document(tls_only(self.bucket_arn)),
            opts=pulumi.ResourceOptions.merge(self._kept, pulumi.ResourceOptions(depends_on=[access_block])),
        )

    def _encrypt(self, key_arn: pulumi.Input[str]) -> None:
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{self._name}-encryption",
            bucket=self.bucket_name,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms", kms_master_key_id=key_arn
                    ),
                    # One data key serves many objects: it spares a call to KMS for every segment.
                    bucket_key_enabled=True,
                )
            ],
            opts=self._kept,
        )

    def _keep(self, settings: BucketSettings) -> None:
        versioning = aws.s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=self.bucket_name,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(
                status="Enabled" if settings.versioned else "Suspended"
            ),
            opts=self._kept,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=self.bucket_name,
            rules=_lifecycle_rules(settings),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )

    def _allow_browsers(self, origins: tuple[str, ...]) -> None:
        if not origins:
            return
        aws.s3.BucketCorsConfiguration(
            f"{self._name}-cors",
            bucket=self.bucket_name,
            cors_rules=[
                # The API leads players here, and after a redirect between two origins browsers give theirs as `null`.
                _cors_rule("play", ["GET", "HEAD"], ["*"]),
                _cors_rule("upload", ["PUT"], list(origins)),
            ],
            opts=self._child,
        )


def _cors_rule(name: str, methods: list[str], origins: list[str]) -> aws.s3.BucketCorsConfigurationCorsRuleArgs:
    return aws.s3.BucketCorsConfigurationCorsRuleArgs(
        id=name,
        allowed_methods=methods,
        allowed_origins=origins,
        allowed_headers=["*"],
        expose_headers=list(_EXPOSED_HEADERS),
        max_age_seconds=_CORS_CACHE_SECONDS,
    )


def _lifecycle_rules(settings: BucketSettings) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    rule = aws.s3.BucketLifecycleConfigurationRuleArgs
    rules = [
        rule(
            id="abort-stale-uploads",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=settings.abort_multipart_days
            ),
        )
    ]
    if settings.infrequent_access_days:
        rules.append(
            rule(
                id="age-originals",
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=ORIGINALS_PREFIX),
                transitions=[
                    aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(
                        days=settings.infrequent_access_days, storage_class="STANDARD_IA"
                    )
                ],
            )
        )
    if settings.versioned:
        rules.append(
            rule(
                id="expire-noncurrent",
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                    noncurrent_days=settings.noncurrent_days
                ),
            )
        )
    return rules
