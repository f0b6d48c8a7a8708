"""What tests of several parts stand on: moto as AWS over HTTP, the resources of the foundation layer, ffmpeg."""

import gc
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import imageio_ffmpeg
import pytest
from tests.together import TogetherScheduling

from vodstack_platform.embedded.emulator import aws_client, running_emulator
from vodstack_platform.embedded.engine import run_program

REGION = "us-east-1"
REPOSITORY = Path(__file__).parents[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    return TogetherScheduling(config, log)


# As the worker sets it for itself: media tools, which run as another user where this is root, read what it writes.
os.umask(0o022)

# Pulumi's SDKs are a million objects that stay: looked through less often, they cost the tests a tenth less.
gc.set_threshold(50_000, 20, 20)

# The same examples each time, however busy the machine. What chance may find is for the proofs, which say so.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")


@dataclass(frozen=True)
class Foundation:
    endpoint_url: str
    bucket: str
    videos_table: str
    work_table: str
    queue_url: str
    dlq_url: str
    chunks_queue_url: str

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
            "VODSTACK_CHUNKS_QUEUE_URL": self.chunks_queue_url,
        }

    def client(self, service: str) -> Any:
        return aws_client(service, self.endpoint_url, REGION)


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    with running_emulator() as emulator:
        yield emulator.endpoint_url


@pytest.fixture
def foundation(aws_endpoint: str) -> Foundation:
    """The foundation layer as the Pulumi program makes it, under names of its own for each test."""
    return make_foundation(aws_endpoint)


def make_foundation(aws_endpoint: str) -> Foundation:
    """Run the Pulumi program's foundation layer, under names of its own."""
    suffix = uuid.uuid4().hex[:8]
    names = {
        "tables": {"videos": f"videos-{suffix}", "work": f"work-{suffix}"},
        "queues": {"arrivals": f"arrivals-{suffix}", "chunks": f"chunks-{suffix}"},
        "registries": {"api": f"api-{suffix}", "worker": f"worker-{suffix}"},
    }
    overrides = {"vodstack:layers": ["foundation"], "vodstack:foundation": names}
    deployed = run_program(
        "local", project=REPOSITORY, endpoint=aws_endpoint, config_overrides=overrides, name=f"test-{suffix}"
    ).outputs
    return Foundation(
        endpoint_url=aws_endpoint,
        bucket=deployed["bucketName"],
        videos_table=deployed["videosTableName"],
        work_table=deployed["workTableName"],
        queue_url=deployed["arrivalsQueueUrl"],
        dlq_url=deployed["arrivalsDlqUrl"],
        chunks_queue_url=deployed["chunksQueueUrl"],
    )


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
