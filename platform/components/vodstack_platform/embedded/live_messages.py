"""SQS: queues and their policies."""

from collections.abc import Callable
from typing import Any, Final

from vodstack_platform.embedded.creation import Creation, Outputs

# What Pulumi calls a queue's attributes, and what SQS calls them.
_ATTRIBUTES: Final = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}


def make_queue(creation: Creation) -> Outputs:
    attributes = {
        attribute: _text(creation.inputs[name])
        for name, attribute in _ATTRIBUTES.items()
        if creation.inputs.get(name) is not None
    }
    made = creation.client("sqs").create_queue(
        QueueName=creation.physical_name(), Attributes=attributes, tags=creation.tags
    )
    return {"id": made["QueueUrl"], "url": made["QueueUrl"]}


def set_attribute(name: str) -> Callable[[Creation], Outputs]:
    """A maker of a resource that is one attribute of a queue."""

    def make(creation: Creation) -> Outputs:
        creation.client("sqs").set_queue_attributes(
            QueueUrl=creation.inputs["queueUrl"], Attributes={_ATTRIBUTES[name]: _text(creation.inputs[name])}
        )
        return {}

    return make


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


MESSAGES: Final[dict[str, Callable[[Creation], Outputs]]] = {
    "aws:sqs/queue:Queue": make_queue,
    "aws:sqs/queuePolicy:QueuePolicy": set_attribute("policy"),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": set_attribute("redriveAllowPolicy"),
    "aws:sqs/redrivePolicy:RedrivePolicy": set_attribute("redrivePolicy"),
}
