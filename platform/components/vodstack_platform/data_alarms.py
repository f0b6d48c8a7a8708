from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from vodstack_platform.config.alarms import AlarmSettings
from vodstack_platform.policy import Statement, policy_document

SENDERS = ("budgets.amazonaws.com", "cloudwatch.amazonaws.com")
_PERIOD_SECONDS = 300
_THROTTLES = ("ReadThrottleEvents", "WriteThrottleEvents")


@dataclass(frozen=True, kw_only=True)
class DataAlarmsArgs:
    """What is watched, by the names that it has on AWS, and who is told."""

    prefix: str
    """Start of the names of topic, alarms and budget: theirs alone within the account."""
    child_prefix: str = ""
    """Start of the alarms' names in the program, where it holds several of this component."""
    account_id: pulumi.Input[str]
    """The account whose alarms and budget may publish."""
    key_arn: pulumi.Input[str]
    """KMS key of the topic; its policy lets `SENDERS` use it."""
    settings: AlarmSettings
    """Addresses, minutes that a message may wait, US dollars a month."""
    queues: Mapping[str, str]
    """Queues by their labels; each has a dead-letter queue that adds `-dlq`."""
    tables: Mapping[str, str]
    """Tables by their labels."""


class DataAlarms(pulumi.ComponentResource):
    """Alarms on what holds data, which speak up even where no cluster is left to do so."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DataAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:DataAlarms", name, None, opts)
        self._args = args
        self._opts = pulumi.ResourceOptions(parent=self)
        self.topic_arn = self._topic(name)
        for label, queue in args.queues.items():
            self._dead_letters(label, f"{queue}-dlq")
            self._old_messages(label, queue)
        for label, table in args.tables.items():
            self._throttles(label, table)
        if args.settings.monthly_budget_usd:
            self._budget(name, args.settings.monthly_budget_usd)
        self.register_outputs({"topic_arn": self.topic_arn})

    def _topic(self, name: str) -> pulumi.Output[str]:
        topic = aws.sns.Topic(
            name, name=f"{self._args.prefix}-alarms", kms_master_key_id=self._args.key_arn, opts=self._opts
        )
        publish = [self._publish(sender, topic.arn) for sender in SENDERS]
        aws.sns.TopicPolicy(name, arn=topic.arn, policy=policy_document(*publish), opts=self._opts)
        for number, email in enumerate(self._args.settings.emails):
            aws.sns.TopicSubscription(
                f"{name}-{number}", topic=topic.arn, protocol="email", endpoint=email, opts=self._opts
            )
        return topic.arn

    def _publish(self, sender: str, topic_arn: pulumi.Output[str]) -> Statement:
        return Statement(
            principal={"Service": sender},
            actions=["sns:Publish"],
            resources=[topic_arn],
            condition={"StringEquals": {"aws:SourceAccount": self._args.account_id}},
        )

    def _dead_letters(self, label: str, queue: str) -> None:
        self._alarm(
            f"{label}-dead-letters",
            f"{queue} holds messages that failed for good. `vodstack jobs` says why, `vodstack redrive` tries again.",
            metric=("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}),
            threshold=0,
            periods=1,
        )

    def _old_messages(self, label: str, queue: str) -> None:
        minutes = self._args.settings.oldest_message_minutes
        self._alarm(
            f"{label}-old-messages",
            f"The oldest message of {queue} has waited {minutes} minutes: the workers are too few, or stand still.",
            metric=("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": queue}),
            threshold=minutes * 60,
            periods=3,
        )

    def _throttles(self, label: str, table: str) -> None:
        for metric in _THROTTLES:
            self._alarm(
                f"{label}-{metric.partition('Throttle')[0].lower()}-throttles",
                f"DynamoDB turns calls on {table} away: its keys are hot, or the account's limits are reached.",
                metric=("AWS/DynamoDB", metric, {"TableName": table}),
                threshold=0,
                periods=3,
            )

    def _alarm(
        self, name: str, description: str, *, metric: tuple[str, str, dict[str, str]], threshold: int, periods: int
    ) -> None:
        namespace, metric_name, dimensions = metric
        aws.cloudwatch.MetricAlarm(
            f"{self._args.child_prefix}{name}",
            name=f"{self._args.prefix}-{name}",
            alarm_description=description,
            namespace=namespace,
            metric_name=metric_name,
            dimensions=dimensions,
            statistic="Maximum" if namespace == "AWS/SQS" else "Sum",
            comparison_operator="GreaterThanThreshold",
            threshold=threshold,
            period=_PERIOD_SECONDS,
            evaluation_periods=periods,
            # SQS and DynamoDB report nothing while nothing happens.
            treat_missing_data="notBreaching",
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            opts=self._opts,
        )

    def _budget(self, name: str, dollars: int) -> None:
        told = [(80, "ACTUAL"), (100, "FORECASTED")]
        aws.budgets.Budget(
            name,
            name=self._args.prefix,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(dollars),
            limit_unit="USD",
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    notification_type=kind,
                    subscriber_sns_topic_arns=[self.topic_arn],
                )
                for percent, kind in told
            ],
            opts=self._opts,
        )
