"""What lies in a dead-letter queue, and why: read from message and record, for the queue keeps no reason."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vodstack_cli.foundation import Foundation, Queue
from vodstack_contracts.errors import MalformedMessageError
from vodstack_contracts.jobs import decode_arrivals, decode_chunk
from vodstack_contracts.videos import Status, VideoRecord, Way

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_HOLD_SECONDS = 120
_BATCH = 10

Explanation = tuple[tuple[str, ...], str, bool]
Explain = Callable[[Foundation, str], Explanation]


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One message that was given up on. `workable` is false where sending it again could only end here again."""

    message_id: str
    receipt: str
    body: str
    sent_at: float
    video_ids: tuple[str, ...]
    reason: str
    workable: bool


@dataclass
class Held:
    """The dead letters in this command's hands; those that are not released go back when it ends."""

    letters: list[DeadLetter]
    more: bool
    released: set[str] = field(default_factory=set[str])

    def release(self, letter: DeadLetter) -> None:
        self.released.add(letter.message_id)


@contextmanager
def held_letters(foundation: Foundation, queue: Queue, limit: int) -> Generator[Held]:
    """Up to `limit` dead letters. Should the command die, they come back by themselves within two minutes."""
    explain = _explain_chunk if queue.name == foundation.chunks.name else _explain_arrivals
    held = _receive(foundation, queue.dlq_url, limit, explain)
    try:
        yield held
    finally:
        for letter in held.letters:
            if letter.message_id not in held.released:
                foundation.sqs.change_message_visibility(
                    QueueUrl=queue.dlq_url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
                )


def _receive(foundation: Foundation, url: str, limit: int, explain: Explain) -> Held:
    letters: dict[str, DeadLetter] = {}
    while len(letters) < limit:
        batch = _receive_batch(foundation.sqs, url)
        # Where explaining takes long, the first ones come back before the last has been seen.
        if all(message_id in letters for message_id, *_ in batch):
            return Held(list(letters.values()), more=False)
        for message_id, receipt, body, sent_at in batch:
            video_ids, reason, workable = explain(foundation, body)
            letters[message_id] = DeadLetter(
                message_id=message_id,
                receipt=receipt,
                body=body,
                sent_at=sent_at,
                video_ids=video_ids,
                reason=reason,
                workable=workable,
            )
    return Held(list(letters.values()), more=True)


def _receive_batch(sqs: "SQSClient", url: str) -> list[tuple[str, str, str, float]]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=_BATCH,
        # Waiting makes SQS ask all of its servers; without it, few messages may look like none.
        WaitTimeSeconds=1,
        VisibilityTimeout=_HOLD_SECONDS,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    return [
        (
            message.get("MessageId", ""),
            message.get("ReceiptHandle", ""),
            message.get("Body", ""),
            int(message.get("Attributes", {}).get("SentTimestamp", "0")) / 1000,
        )
        for message in answer.get("Messages", [])
    ]


def _explain_arrivals(foundation: Foundation, body: str) -> Explanation:
    try:
        arrivals = decode_arrivals(body)
    except MalformedMessageError as error:
        return (), f"malformed: {error}", False
    video_ids = tuple(arrival.video_id for arrival in arrivals)
    strangers = [arrival.bucket for arrival in arrivals if arrival.bucket != foundation.bucket]
    if strangers:
        return video_ids, f"malformed: an event of another bucket, {strangers[0]!r}", False
    return video_ids, "; ".join(_standing(foundation.record(each)) for each in video_ids) or "tells of no video", True


def _explain_chunk(foundation: Foundation, body: str) -> Explanation:
    try:
        job = decode_chunk(body)
    except MalformedMessageError as error:
        return (), f"malformed: {error}", False
    record = foundation.record(job.video_id)
    plan = record.plan if record else None
    where = f"chunk {job.number} of plan {job.plan_id}"
    if record and (plan is None or plan.plan_id != job.plan_id or plan.way is not Way.CHUNKS):
        where += ", which is given up"
    return (job.video_id,), f"{where}; {_standing(record)}", True


def _standing(record: VideoRecord | None) -> str:
    if record is None:
        return "the video is unknown"
    if record.status is Status.FAILED and record.error:
        return f"failed with {record.error.code}"
    setback = f": {record.setback}" if record.setback else ""
    return f"{record.status}, {record.attempts} attempts{setback}"
