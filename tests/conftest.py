"""What tests of several parts stand on: moto as AWS over HTTP, the resources of the foundation layer, ffmpeg."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import imageio_ffmpeg
import pytest
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


@dataclass(frozen=True)
class Foundation:
    endpoint_url: str
    bucket: str
    videos_table: str
    work_table: str
    queue_url: str
    dlq_url: str

    @property
    def environment(self) -> dict[str, str]:
        """What a service needs to find it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "S3_BUCKET": self.bucket,
            "DYNAMODB_TABLE": self.videos_table,
            "VODSTACK_WORK_TABLE": self.work_table,
            "SQS_QUEUE_URL": self.queue_url,
        }

    def client(self, service: str) -> Any:
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def foundation(aws_endpoint: str) -> Foundation:
    """A bucket that tells a queue of its originals, and both tables; fresh for each test."""
    suffix = uuid.uuid4().hex[:8]
    made = Foundation(
        endpoint_url=aws_endpoint,
        bucket=f"videos-{suffix}",
        videos_table=f"videos-{suffix}",
        work_table=f"work-{suffix}",
        queue_url=f"{aws_endpoint}/123456789012/arrivals-{suffix}",
        dlq_url=f"{aws_endpoint}/123456789012/arrivals-dlq-{suffix}",
    )
    sqs, s3, dynamodb = made.client("sqs"), made.client("s3"), made.client("dynamodb")
    sqs.create_queue(QueueName=f"arrivals-dlq-{suffix}")
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:123456789012:arrivals-dlq-{suffix}", "maxReceiveCount": 20}
    sqs.create_queue(QueueName=f"arrivals-{suffix}", Attributes={"RedrivePolicy": json.dumps(redrive)})
    s3.create_bucket(Bucket=made.bucket)
    s3.put_bucket_notification_configuration(
        Bucket=made.bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": f"arn:aws:sqs:{REGION}:123456789012:arrivals-{suffix}",
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "originals/"}]}},
                }
            ]
        },
    )
    for name, keys in ((made.videos_table, ["video_id"]), (made.work_table, ["pk", "sk"])):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    return made


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    return imageio_ffmpeg.get_ffmpeg_exe()


@pytest.fixture(scope="session")
def clip(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 640x360 test picture with a tone, as most clients send it: H.264 and AAC in MP4."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=2"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *picture, *tone, *encoding, path], check=True)
    return path
