from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.foundation import QueueSettings
from vodstack_platform.policy import Statement, policy_document

_LONG_POLL_SECONDS = 20
_KEY_REUSE_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class JobQueueArgs:
    """A name, times, and a key."""

    queue_name: str
    """Name of the queue, fixed, for other stacks and scripts know it; the dead-letter queue adds `-dlq`."""
    settings: QueueSettings
    """Times in seconds, and the receives after which a message is dead."""
    key_arn: pulumi.Input[str]
    """KMS key of the messages."""


class JobQueue(pulumi.ComponentResource):
    """A queue of jobs with its dead-letter queue."""

    queue_url: pulumi.Output[str]
    queue_arn: pulumi.Output[str]
    dlq_url: pulumi.Output[str]
    dlq_arn: pulumi.Output[str]

    def __init__(self, name: str, args: JobQueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:JobQueue", name, None, opts)
        self._name = name
        child = pulumi.ResourceOptions(parent=self)
        dead_letters = aws.sqs.Queue(
            f"{name}-dlq",
            name=f"{args.queue_name}-dlq",
            message_retention_seconds=args.settings.dlq_retention_seconds,
            receive_wait_time_seconds=_LONG_POLL_SECONDS,
            kms_master_key_id=args.key_arn,
            kms_data_key_reuse_period_seconds=_KEY_REUSE_SECONDS,
            opts=child,
        )
        queue = aws.sqs.Queue(
            name,
            name=args.queue_name,
            visibility_timeout_seconds=args.settings.visibility_timeout_seconds,
            message_retention_seconds=args.settings.retention_seconds,
            receive_wait_time_seconds=_LONG_POLL_SECONDS,
            kms_master_key_id=args.key_arn,
            kms_data_key_reuse_period_seconds=_KEY_REUSE_SECONDS,
            redrive_policy=_json(
                {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": args.settings.max_receive_count}
            ),
            opts=child,
        )
        aws.sqs.RedriveAllowPolicy(
            f"{name}-redrive",
            queue_url=dead_letters.url,
            redrive_allow_policy=_json({"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn]}),
            opts=child,
        )
        self.queue_url, self.queue_arn = queue.url, queue.arn
        self.dlq_url, self.dlq_arn = dead_letters.url, dead_letters.arn
        self.register_outputs({"queue_url": self.queue_url, "dlq_url": self.dlq_url})

    def accept_events(self, bucket_arn: pulumi.Input[str], account_id: pulumi.Input[str]) -> aws.sqs.QueuePolicy:
        """Let this one bucket send its events here. The account stops a stranger's bucket of the same name."""
        return aws.sqs.QueuePolicy(
            f"{self._name}-events",
            queue_url=self.queue_url,
            policy=policy_document(
                Statement(
                    sid="BucketEvents",
                    principal={"Service": "s3.amazonaws.com"},
                    actions=["sqs:SendMessage"],
                    resources=[self.queue_arn],
                    condition={
                        "ArnEquals": {"aws:SourceArn": bucket_arn},
                        "StringEquals": {"aws:SourceAccount": account_id},
                    },
                )
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _json(value: object) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps(value, sort_keys=True, separators=(",", ":"))
