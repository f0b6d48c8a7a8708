"""What docs/library.md tells a team that has no API of ours."""

import re
from pathlib import Path
from typing import Any

import boto3

from vodstack_contracts.jobs import decode_arrivals
from vodstack_contracts.videos import Status

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_a_record_and_an_object_made_as_the_page_says_become_a_job(foundation, tmp_path, monkeypatch):
    for name, value in foundation.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", foundation.environment["AWS_REGION"])
    # boto3.client() keeps its credentials in a session of the process's own.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a film")
    (program,) = re.findall(r"```python\n(import boto3\n.*?)```", PAGE.read_text(), re.DOTALL)
    told: dict[str, Any] = {"videos_table": foundation.videos_table, "bucket": foundation.bucket, "path": str(path)}
    exec(program, told)  # noqa: S102 - it is the page's own
    video = told["video"]
    assert (video.status, video.title) == (Status.UPLOADING, "Dusk")
    # S3 says first, and of nothing, that it will send its events here.
    arrivals: list[str] = []
    while not arrivals:
        answer = foundation.client("sqs").receive_message(QueueUrl=foundation.queue_url, WaitTimeSeconds=5)
        arrivals += [each.video_id for each in decode_arrivals(answer["Messages"][0]["Body"])]
    assert arrivals == [video.video_id]
