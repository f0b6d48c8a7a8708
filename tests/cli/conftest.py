"""The operator's commands as their user runs them, against a foundation layer that the Pulumi program made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vodstack_cli.main import cli
from vodstack_contracts import moves
from vodstack_contracts.items import from_item
from vodstack_contracts.jobs import decode_arrivals, encode_arrival
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp


def own_environment(foundation: Any) -> dict[str, str]:
    """A person's variables: those of the services have no effect on their commands, and are refused."""
    return {name: value for name, value in foundation.environment.items() if name.startswith("AWS_")}


@dataclass
class Operator:
    """A person with a shell, and what they can see of the stack."""

    foundation: Any

    @property
    def stack(self) -> str:
        return f"test-{self.foundation.videos_table.removeprefix('videos-')}"

    def run(self, *arguments: str) -> str:
        result = self.answer(*arguments)
        if result.exception:
            raise result.exception
        return " ".join(result.output.split())

    def answer(self, *arguments: str, keys: str = "", environment: Mapping[str, str] | None = None) -> Result:
        """How the command ends, where the user types `keys` into it."""
        chosen = environment or own_environment(self.foundation)
        return CliRunner().invoke(cli, [*arguments, "--stack", self.stack], input=keys, env=chosen)

    def create(self, status: Status, **facts: Any) -> str:
        video_id, now = new_video_id(), timestamp()
        record = VideoRecord(video_id=video_id, status=status, upload_date=now, updated_at=now, **facts)
        self.foundation.client("dynamodb").put_item(TableName=self.foundation.videos_table, **moves.create(record))
        return video_id

    def record(self, video_id: str) -> VideoRecord:
        key = {"video_id": {"S": video_id}}
        table = self.foundation.videos_table
        answer = self.foundation.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
        return from_item(answer["Item"], VideoRecord)

    def store_original(self, video_id: str) -> None:
        """The event that follows from it is taken off the queue, so that the queue is as after a loss."""
        self.foundation.client("s3").put_object(
            Bucket=self.foundation.bucket, Key=original_key(video_id), Body=b"a film"
        )
        self.take_all(self.foundation.queue_url)

    def give_up_on(self, body: str) -> str:
        return self._send(self.foundation.dlq_url, body)

    def give_up_on_chunk(self, body: str) -> str:
        return self._send(f"{self.foundation.chunks_queue_url}-dlq", body)

    def _send(self, url: str, body: str) -> str:
        return self.foundation.client("sqs").send_message(QueueUrl=url, MessageBody=body)["MessageId"]

    def arrival_of(self, video_id: str) -> str:
        return encode_arrival(video_id, self.foundation.bucket)

    def take_all(self, url: str) -> list[str]:
        """Bodies of what waits there, test events left out."""
        sqs = self.foundation.client("sqs")
        bodies: list[str] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", []):
            for message in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies += [message["Body"]] if "s3:TestEvent" not in message["Body"] else []
        return bodies

    def videos_sent(self) -> list[str]:
        bodies = self.take_all(self.foundation.queue_url)
        return [arrival.video_id for body in bodies for arrival in decode_arrivals(body)]


@pytest.fixture
def operator(foundation: Any) -> Operator:
    made = Operator(foundation)
    made.take_all(foundation.queue_url)
    return made
