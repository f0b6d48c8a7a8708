"""A queue of jobs, as far as one message is concerned."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vodstack_worker.errors import RetryError

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

_BATCH = 10
# Of a message that was sent again for a job that has waited for its owner's turn.
_RECEIVES = "receives"
MAX_VISIBILITY_SECONDS = 43_200


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message in this worker's hands. Times are in epoch seconds.

    Its job `has_waited` for its owner's share, and its receives before that count.
    """

    queue: "JobQueue"
    message_id: str
    receipt: str
    body: str
    received_at: float
    receive_count: int
    sent_at: float
    has_waited: bool = False

    async def hide(self, seconds: float) -> None:
        """Let the message be seen again `seconds` from now; 0 hands it back at once."""
        await self.queue.hide(self, seconds)

    async def delete(self) -> None:
        await self.queue.delete(self)


class JobQueue:
    """Sends, receives, keeps, returns and deletes messages."""

    def __init__(self, sqs: "SQSClient", queue_url: str, *, visibility_timeout: int) -> None:
        self._sqs = sqs
        self._url = queue_url
        self._visibility_timeout = visibility_timeout
        self.last_wait = 0.0

    async def send(self, bodies: Sequence[str]) -> None:
        """Send all of them. Raises RetryError where the queue refuses one; then some may have been sent."""
        for start in range(0, len(bodies), _BATCH):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + _BATCH])
            ]
            answer = await self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            if failed := answer.get("Failed"):
                raise RetryError(f"the queue refuses a message: {failed[0].get('Code')}", counted=False)

    async def send_again(self, body: str, *, receives: int) -> None:
        """Send a message in place of one that had been received so often when its job began to wait."""
        carried: MessageAttributeValueTypeDef = {"DataType": "Number", "StringValue": str(receives)}
        await self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes={_RECEIVES: carried})

    async def receive(self, wait: int) -> Message | None:
        """One message, if one comes within `wait` seconds."""
        answer = await self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait,
            VisibilityTimeout=self._visibility_timeout,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=[_RECEIVES],
        )
        for message in answer.get("Messages", []):
            now = time.time()
            attributes = message.get("Attributes", {})
            sent_at = int(attributes.get("SentTimestamp", now * 1000)) / 1000
            self.last_wait = max(0.0, now - sent_at)
            carried = message.get("MessageAttributes", {}).get(_RECEIVES)
            return Message(
                queue=self,
                message_id=message.get("MessageId", ""),
                receipt=message.get("ReceiptHandle", ""),
                body=message.get("Body", ""),
                received_at=now,
                receive_count=int(attributes.get("ApproximateReceiveCount", "1"))
                + (int(carried.get("StringValue", "0")) if carried else 0),
                sent_at=sent_at,
                has_waited=carried is not None,
            )
        return None

    async def depth(self) -> dict[str, int]:
        """About how many messages wait, are in somebody's hands, or are delayed."""
        answer = await self._sqs.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )
        found = answer.get("Attributes", {})
        return {
            "waiting": int(found.get("ApproximateNumberOfMessages", "0")),
            "in_flight": int(found.get("ApproximateNumberOfMessagesNotVisible", "0")),
            "delayed": int(found.get("ApproximateNumberOfMessagesDelayed", "0")),
        }

    async def hide(self, message: Message, seconds: float) -> None:
        await self._sqs.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=message.receipt,
            VisibilityTimeout=min(MAX_VISIBILITY_SECONDS, max(0, round(seconds + 0.499))),
        )

    async def delete(self, message: Message) -> None:
        await self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
