"""A worker as an operator runs it, a process of its own, and what clients do to its bucket, table and queues."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from vodstack_contracts import moves
from vodstack_contracts.items import from_item
from vodstack_contracts.jobs import encode_arrival
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord, new_video_id, timestamp

T = TypeVar("T")
DEADLINE_SECONDS = 60.0
VISIBILITY_SECONDS = 4
SMALL_CHUNKS = {"VODSTACK_CHUNK_SECONDS": "4", "VODSTACK_LOCAL_BYTES": "0"}


def wait_for(condition: Callable[[], T | None], what: str) -> T:
    """Poll until `condition` gives something true."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def media_processes(scratch: Path) -> list[int]:
    """Processes at work in a scratch folder."""
    found: list[int] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if scratch.resolve() in Path(process.cwd()).parents:
                found.append(process.pid)
    return found


@dataclass
class Videos:
    """What a test does to the bucket, the table and the queue, as the API and clients would."""

    foundation: Any
    s3: Any
    dynamodb: Any
    sqs: Any

    def upload(self, path: Path | bytes, status: Status = Status.QUEUED, owner: str | None = None) -> str:
        """A record and its original; returns the video's id."""
        video_id = new_video_id()
        now = timestamp()
        record = VideoRecord(video_id=video_id, status=status, upload_date=now, updated_at=now, owner=owner)
        self.dynamodb.put_item(TableName=self.foundation.videos_table, **moves.create(record))
        body = path if isinstance(path, bytes) else path.read_bytes()
        self.s3.put_object(Bucket=self.foundation.bucket, Key=original_key(video_id), Body=body)
        return video_id

    def record(self, video_id: str) -> VideoRecord:
        key = {"video_id": {"S": video_id}}
        answer = self.dynamodb.get_item(TableName=self.foundation.videos_table, Key=key, ConsistentRead=True)
        return from_item(answer["Item"], VideoRecord)

    def change(self, update: dict[str, Any]) -> None:
        self.dynamodb.update_item(TableName=self.foundation.videos_table, **update)

    def wait_until(self, video_id: str, *statuses: Status) -> VideoRecord:
        def reached() -> VideoRecord | None:
            record = self.record(video_id)
            # moto changes one attribute after the other, so a reader may see an update half done; DynamoDB does not.
            halfway = record.status in {Status.READY, Status.FAILED} and record.lease is not None
            return record if record.status in statuses and not halfway else None

        return wait_for(reached, f"{video_id} to become {', '.join(statuses)}: {self.record(video_id)}")

    def keys(self, prefix: str) -> set[str]:
        answer = self.s3.list_objects_v2(Bucket=self.foundation.bucket, Prefix=prefix)
        return {found["Key"] for found in answer.get("Contents", [])}

    def fetch(self, prefix: str, folder: Path) -> Path:
        """Download everything below `prefix`."""
        for key in self.keys(prefix):
            path = folder / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.s3.download_file(self.foundation.bucket, key, str(path))
        return folder

    wait_for = staticmethod(wait_for)

    def send_again(self, video_id: str, delay: int = 0) -> None:
        body = encode_arrival(video_id, self.foundation.bucket)
        self.sqs.send_message(QueueUrl=self.foundation.queue_url, MessageBody=body, DelaySeconds=delay)

    def redrive_after(self, receives: int) -> None:
        """Let the queue give up on a message sooner than in earnest."""
        arn = self.sqs.get_queue_attributes(QueueUrl=self.foundation.dlq_url, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": receives}
        attributes = {"RedrivePolicy": json.dumps(policy)}
        self.sqs.set_queue_attributes(QueueUrl=self.foundation.queue_url, Attributes=attributes)

    def queue_is_empty(self, url: str | None = None) -> bool:
        """Nothing waits, nothing is in anybody's hands."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url or self.foundation.queue_url, AttributeNames=names)
        return all(answer["Attributes"][name] == "0" for name in names)

    def waiting(self, url: str) -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@dataclass
class WorkerProcess:
    process: subprocess.Popen[bytes]
    port: int
    log_path: Path
    scratch: Path

    def log(self) -> str:
        return self.log_path.read_text()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a probe; status 0 while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def figure(self, name: str) -> float:
        """One line of the metrics; 0 for what has not been counted yet."""
        lines = dict(line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines() if not line.startswith("#"))
        return float(lines.get(name, 0))

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.get("/readyz")[0] == 200, f"the worker to be ready\n{self.log()}")

    def terminate(self) -> int:
        """Status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)


@dataclass
class Workers:
    """Starts workers and leaves none behind."""

    environment: dict[str, str]
    folder: Path
    started: list[WorkerProcess] = field(default_factory=list)

    def start(self, *, under: Sequence[str] = (), **more: str) -> WorkerProcess:
        """Start one, `under` a command that runs the rest of its arguments."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        log_path = self.folder / f"worker-{len(self.started)}.log"
        scratch = self.folder / "scratch"
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **self.environment,
            "VODSTACK_SCRATCH_DIR": str(scratch),
            "VODSTACK_VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_SECONDS),
            "VODSTACK_POLL_WAIT_SECONDS": "1",
            "VODSTACK_RETRY_DELAY_SECONDS": "0",
            "VODSTACK_METRICS_PORT": str(port),
            "VODSTACK_HOST": "127.0.0.1",
            **more,
        }
        with log_path.open("wb") as log:
            command = [*under, sys.executable, "-m", "vodstack_worker"]
            process = subprocess.Popen(command, env=environment, stderr=log)
        worker = WorkerProcess(process, port, log_path, scratch)
        self.started.append(worker)
        return worker
