"""The arrivals queue, as far as one message is concerned."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

MAX_VISIBILITY_SECONDS = 43_200


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message in this worker's hands. Times are in epoch seconds."""

    message_id: str
    receipt: str
    body: str
    received_at: float
    receive_count: int
    sent_at: float


class Arrivals:
    """Receives, keeps, returns and deletes messages of the arrivals queue."""

    def __init__(self, sqs: "SQSClient", queue_url: str, *, poll_wait: int, visibility_timeout: int) -> None:
        self._sqs = sqs
        self._url = queue_url
        self._poll_wait = poll_wait
        self._visibility_timeout = visibility_timeout
        self.last_wait = 0.0

    async def receive(self) -> Message | None:
        """One message, if one comes within the wait."""
        answer = await self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=self._poll_wait,
            VisibilityTimeout=self._visibility_timeout,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        for message in answer.get("Messages", []):
            now = time.time()
            attributes = message.get("Attributes", {})
            sent_at = int(attributes.get("SentTimestamp", now * 1000)) / 1000
            self.last_wait = max(0.0, now - sent_at)
            return Message(
                message_id=message.get("MessageId", ""),
                receipt=message.get("ReceiptHandle", ""),
                body=message.get("Body", ""),
                received_at=now,
                receive_count=int(attributes.get("ApproximateReceiveCount", "1")),
                sent_at=sent_at,
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
        """Let the message be seen again `seconds` from now; 0 hands it back at once."""
        await self._sqs.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=message.receipt,
            VisibilityTimeout=min(MAX_VISIBILITY_SECONDS, max(0, round(seconds + 0.499))),
        )

    async def delete(self, message: Message) -> None:
        await self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)
