"""The real API as a real server: on a thread for most tests, as a process where signals matter."""

import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.aws_proxy import AwsProxy
from tests.conftest import Foundation

from vodstack_app.server import Server, listen
from vodstack_app.settings import read_settings
from vodstack_contracts.items import from_item, to_item
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import Status, VideoRecord

START_SECONDS = 60


@dataclass
class Api:
    """A running API and what stands behind it."""

    url: str
    foundation: Foundation
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=30)

    @cached_property
    def s3(self) -> Any:
        return self.foundation.client("s3")

    @cached_property
    def dynamodb(self) -> Any:
        return self.foundation.client("dynamodb")

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def upload(self, content: bytes, *, key: str | None = None, **fields: str) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        files = {"file": ("clip.mp4", content, "video/mp4")}
        return self.client.post("/videos", files=files, data=fields, headers=headers)

    def post(self, body: Any, boundary: str = "b") -> httpx.Response:
        """A body as it stands, under the name of a form."""
        return self.client.post(
            "/videos", content=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
        )

    def records(self) -> list[VideoRecord]:
        scan = self.dynamodb.get_paginator("scan").paginate
        pages = scan(TableName=self.foundation.videos_table, ConsistentRead=True)
        return [from_item(item, VideoRecord) for page in pages for item in page["Items"]]

    def living(self) -> list[VideoRecord]:
        """The records that are not deleted."""
        return [record for record in self.records() if record.status is not Status.DELETED]

    def put_record(self, record: VideoRecord) -> None:
        self.dynamodb.put_item(TableName=self.foundation.videos_table, Item=to_item(record))

    def original(self, video_id: str) -> bytes:
        return self.s3.get_object(Bucket=self.foundation.bucket, Key=original_key(video_id))["Body"].read()

    def objects(self) -> list[str]:
        listing = self.s3.list_objects_v2(Bucket=self.foundation.bucket)
        return [entry["Key"] for entry in listing.get("Contents", [])]

    def open_uploads(self) -> list[str]:
        listing = self.s3.list_multipart_uploads(Bucket=self.foundation.bucket)
        return [upload["Key"] for upload in listing.get("Uploads", [])]

    def is_receiving(self) -> bool:
        return "vodstack_uploads_in_flight 0.0" not in self.client.get("/metrics").text

    def assert_nothing_left(self) -> None:
        assert (self.records(), self.objects(), self.open_uploads()) == ([], [], [])

    def clear(self) -> None:
        for record in self.records():
            key = {"video_id": {"S": record.video_id}}
            self.dynamodb.delete_item(TableName=self.foundation.videos_table, Key=key)
        for key in self.objects():
            self.s3.delete_object(Bucket=self.foundation.bucket, Key=key)
        for upload in self.s3.list_multipart_uploads(Bucket=self.foundation.bucket).get("Uploads", []):
            self.s3.abort_multipart_upload(
                Bucket=self.foundation.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )


def environment_of(foundation: Foundation, **changes: str) -> dict[str, str]:
    listening = {"VODSTACK_AUTH": "none", "VODSTACK_HOST": "127.0.0.1", "PORT": "0"}
    # Tests change records behind the API's back, and look at once.
    listening |= {"VODSTACK_RECORD_CACHE_SECONDS": "0"}
    return foundation.environment | listening | changes


@contextmanager
def serving(foundation: Foundation, **changes: str) -> Generator[Api]:
    """The API on a thread, with changes to its environment by keyword."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(foundation, **changes).items():
            patch.setenv(name, value)
        settings = read_settings()
        listener = listen(settings.host, settings.port)
        server = Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        api = Api(f"http://127.0.0.1:{listener.getsockname()[1]}", foundation)
        assert api.client.get("/livez", timeout=START_SECONDS).status_code == 200
    yield api
    api.client.close()
    server.should_exit = True
    thread.join(START_SECONDS)
    assert not thread.is_alive()


@pytest.fixture
def serve(foundation: Foundation) -> Iterator[Callable[..., Api]]:
    """Starts an API of the test's own, where its settings matter."""
    running: list[Any] = []

    def start(**changes: str) -> Api:
        context = serving(foundation, **changes)
        running.append(context)
        return context.__enter__()

    yield start
    for context in running:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def shared_api(aws_endpoint: str) -> Iterator[Api]:
    name = f"api-tests-{uuid.uuid4().hex[:8]}"
    nothing = {each.name: "" for each in fields(Foundation)}
    made = {"bucket": name, "videos_table": name, "work_table": f"{name}-work"}
    foundation = Foundation(**nothing | {"endpoint_url": aws_endpoint} | made)
    foundation.client("s3").create_bucket(Bucket=name)
    foundation.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("video_id", "owner", "upload_date")
        ],
        KeySchema=[{"AttributeName": "video_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-owner",
                "KeySchema": [
                    {"AttributeName": "owner", "KeyType": "HASH"},
                    {"AttributeName": "upload_date", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    foundation.client("dynamodb").create_table(
        TableName=foundation.work_table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    with serving(foundation) as api:
        yield api


@pytest.fixture
def api(shared_api: Api) -> Iterator[Api]:
    """One API for all tests that can live with the defaults; empty at each one's start."""
    yield shared_api
    shared_api.clear()


@pytest.fixture(scope="session")
def session_proxied(shared_api: Api) -> Iterator[tuple[Api, AwsProxy]]:
    with (
        AwsProxy(shared_api.foundation.endpoint_url) as proxy,
        serving(shared_api.foundation, AWS_ENDPOINT_URL=proxy.url) as api,
    ):
        yield api, proxy


@pytest.fixture
def shared_proxied(session_proxied: tuple[Api, AwsProxy]) -> Iterator[tuple[Api, AwsProxy]]:
    """Another API on what the shared one stands on, through a proxy; both empty at each test's start."""
    yield session_proxied
    api, proxy = session_proxied
    proxy.clear()
    api.clear()


@dataclass
class ApiProcess(Api):
    """An API that can be signalled."""

    process: subprocess.Popen[str] = field(kw_only=True)
    log: Path = field(kw_only=True)


@pytest.fixture
def start_process(foundation: Foundation, tmp_path: Path) -> Iterator[Callable[..., ApiProcess]]:
    """Starts `python -m vodstack_app`, with changes to its environment by keyword."""
    started: list[ApiProcess] = []

    def start(**changes: str) -> ApiProcess:
        log = tmp_path / f"api-{len(started)}.log"
        environment = os.environ | environment_of(foundation, **changes)
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "vodstack_app"], env=environment, stdout=output, stderr=output, text=True
            )
        api = ApiProcess(f"http://127.0.0.1:{_port_of(process, log)}", foundation, process=process, log=log)
        started.append(api)
        assert api.client.get("/livez", timeout=START_SECONDS).status_code == 200
        return api

    yield start
    for api in started:
        api.client.close()
        api.process.kill()
        api.process.wait()


def _port_of(process: subprocess.Popen[str], log: Path) -> int:
    late = threading.Event()
    deadline = threading.Timer(START_SECONDS, late.set)
    deadline.start()
    try:
        while not late.wait(0.02) and process.poll() is None:
            if listening := re.search(r'"port": (\d+)', log.read_text()):
                return int(listening[1])
    finally:
        deadline.cancel()
    process.kill()
    raise AssertionError(f"the API did not start:\n{log.read_text()}")
