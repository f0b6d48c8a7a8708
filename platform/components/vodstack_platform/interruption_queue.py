from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.policy import Statement, policy_document

# What AWS says of nodes that are about to go, and of what has become of them.
_EVENTS = {
    "spot-interruption": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state-change": ("aws.ec2", "EC2 Instance State-change Notification"),
    "capacity-reservation": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
    "health": ("aws.health", "AWS Health Event"),
}
_RETENTION_SECONDS = 300  # older news of a node with two minutes' notice is none


@dataclass(frozen=True, kw_only=True)
class InterruptionQueueArgs:
    """Whose nodes are told of their end."""

    prefix: str
    """Start of the names of the queue and the rules."""
    account_id: pulumi.Input[str]
    """The account whose events are taken."""


class InterruptionQueue(pulumi.ComponentResource):
    """AWS's warnings about nodes, in a queue that Karpenter reads."""

    queue_name: pulumi.Output[str]
    queue_arn: pulumi.Output[str]

    def __init__(self, name: str, args: InterruptionQueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:InterruptionQueue", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        queue = aws.sqs.Queue(
            name,
            name=interruption_queue_name(args.prefix),
            message_retention_seconds=_RETENTION_SECONDS,
            # EventBridge could not send through the data key, which knows nothing of it.
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        rules = {
            label: _rule(f"{name}-{label}", f"{args.prefix}-{label}", event, child) for label, event in _EVENTS.items()
        }
        policy = aws.sqs.QueuePolicy(
            name, queue_url=queue.url, policy=_accept(queue.arn, rules, args.account_id), opts=child
        )
        for label, rule in rules.items():
            aws.cloudwatch.EventTarget(
                f"{name}-{label}",
                rule=rule.name,
                target_id="karpenter",
                arn=queue.arn,
                # Events that come before the queue takes them would be lost.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        self.queue_name, self.queue_arn = queue.name, queue.arn
        self.register_outputs({"queue_name": self.queue_name})


def interruption_queue_name(prefix: str) -> str:
    return f"{prefix}-interruptions"


def _rule(name: str, rule_name: str, event: tuple[str, str], opts: pulumi.ResourceOptions) -> aws.cloudwatch.EventRule:
    source, detail_type = event
    pattern = pulumi.Output.json_dumps(
        {"source": [source], "detail-type": [detail_type]}, sort_keys=True, separators=(",", ":")
    )
    return aws.cloudwatch.EventRule(name, name=rule_name, event_pattern=pattern, opts=opts)


def _accept(
    queue_arn: pulumi.Output[str], rules: dict[str, aws.cloudwatch.EventRule], account_id: pulumi.Input[str]
) -> pulumi.Output[str]:
    return policy_document(
        Statement(
            sid="Events",
            principal={"Service": "events.amazonaws.com"},
            actions=["sqs:SendMessage"],
            resources=[queue_arn],
            condition={
                "ArnEquals": {"aws:SourceArn": [rule.arn for rule in rules.values()]},
                "StringEquals": {"aws:SourceAccount": account_id},
            },
        ),
        Statement(
            sid="TlsOnly",
            effect="Deny",
            principal="*",
            actions=["sqs:*"],
            resources=[queue_arn],
            condition={"Bool": {"aws:SecureTransport": "false"}},
        ),
    )
