"""What stands behind the services that are measured: moto for tables and queues, and an S3 that is no limit."""

import json
import logging
import os
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from observed import run_service, say

REGION = "us-east-1"
ACCOUNT = "123456789012"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret"}
CACHE = Path(__file__).parents[1] / ".cache" / "bench"
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
BY_OWNER = {
    "IndexName": "by-owner",
    "KeySchema": [
        {"AttributeName": "owner", "KeyType": "HASH"},
        {"AttributeName": "upload_date", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "ALL"},
}
ANSWERS_PORT = r'"port": (\d+)'
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Backend:
    """The environment by which a service finds it, and what to call its S3 in a report."""

    environment: dict[str, str]
    s3_name: str
    objects: Path | None = None

    def forget_objects(self) -> None:
        """Give back the disk that uploads have taken."""
        if self.objects:
            shutil.rmtree(self.objects / "originals", ignore_errors=True)

    def client(self, service: str) -> Any:
        endpoint = self.environment.get(f"AWS_ENDPOINT_URL_{service.upper()}", self.environment["AWS_ENDPOINT_URL"])
        session: Any = boto3.session.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=REGION
        )
        return session.client(service, endpoint_url=endpoint)


@contextmanager
def moto_backend() -> Generator[Backend]:
    """moto alone, with the bucket's event to the queue: what the worker needs."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request would bury the table
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    backend = Backend(_environment(f"http://{host}:{port}"), "moto")
    try:
        _create_resources(backend)
        yield backend
    finally:
        server.stop()


@contextmanager
def fast_backend(owner: str) -> Generator[Backend]:
    """Answers that are always the same in place of the tables and the queue, and a fast S3: neither is the limit."""
    with (
        TemporaryDirectory(prefix="vodstack-bench-") as folder,
        run_service("answers", {}, Path(folder), owner) as answers,
        _fast_s3(Path(folder)) as (endpoint, name),
    ):
        environment = _environment(f"http://127.0.0.1:{answers.port(ANSWERS_PORT)}")
        objects = Path(folder) / "data" / environment["S3_BUCKET"]
        backend = Backend({**environment, "AWS_ENDPOINT_URL_S3": endpoint}, name, objects)
        backend.client("s3").create_bucket(Bucket=environment["S3_BUCKET"])
        yield backend


@contextmanager
def upload_backend() -> Generator[Backend]:
    """moto for the table, and an S3 fast enough for large uploads."""
    with (
        moto_backend() as moto,
        TemporaryDirectory(prefix="vodstack-bench-") as folder,
        _fast_s3(Path(folder)) as (endpoint, name),
    ):
        backend = Backend({**moto.environment, "AWS_ENDPOINT_URL_S3": endpoint}, name)
        backend.client("s3").create_bucket(Bucket=moto.environment["S3_BUCKET"])
        yield backend


@contextmanager
def _fast_s3(folder: Path) -> Generator[tuple[str, str]]:
    """Its endpoint, and what it is."""
    gateway = _versitygw()
    with _serve_versitygw(gateway, folder) if gateway else _serve_sink() as endpoint:
        yield endpoint, "versitygw" if gateway else "a sink that discards parts"


def _environment(endpoint: str) -> dict[str, str]:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    return {
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "S3_BUCKET": name,
        "DYNAMODB_TABLE": name,
        "VODSTACK_WORK_TABLE": f"{name}-work",
        "SQS_QUEUE_URL": f"{endpoint}/{ACCOUNT}/{name}",
        "VODSTACK_AUTH": "none",
        "VODSTACK_HOST": "127.0.0.1",
    }


def _create_resources(backend: Backend) -> None:
    name = backend.environment["S3_BUCKET"]
    backend.client("sqs").create_queue(QueueName=name)
    s3 = backend.client("s3")
    s3.create_bucket(Bucket=name)
    arrival = {"QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", "Events": ["s3:ObjectCreated:*"]}
    arrival |= {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "originals/"}]}}}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": [arrival]})
    for table, keys in ((name, {"video_id": "HASH"}), (f"{name}-work", {"pk": "HASH", "sk": "RANGE"})):
        backend.client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        )
    backend.client("dynamodb").update_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("owner", "upload_date")],
        GlobalSecondaryIndexUpdates=[{"Create": BY_OWNER}],
    )


def _versitygw() -> Path | None:
    """The gateway's program, built once where Go is on the machine."""
    program = CACHE / "versitygw"
    go = shutil.which("go")
    if program.exists():
        return program
    if go is None:
        say("Go is not on this machine, so versitygw cannot be built: a sink that discards parts stands in.")
        return None
    say(f"Building {VERSITYGW}; this takes a minute or two, once.")
    CACHE.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(
        [go, "install", VERSITYGW],
        env={**os.environ, "GOBIN": str(CACHE)},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        say(f"It does not build here: {built.stderr.strip().splitlines()[-1:]}")
        return None
    return program


@contextmanager
def _serve_versitygw(program: Path, folder: Path) -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    keys = {
        "ROOT_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "ROOT_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
    with (folder / "gateway.log").open("w") as log:
        data, metadata = folder / "data", folder / "metadata"
        data.mkdir()
        metadata.mkdir()
        # Beside the data, for not every file system keeps attributes.
        command = [program, "--port", address, "--quiet", "--keep-alive", "posix", "--sidecar", metadata, data]
        process = subprocess.Popen(command, env={**os.environ, **keys}, stdout=log, stderr=log)
    try:
        _wait_for_listener(address, process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _wait_for_listener(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    while process.poll() is None:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            continue
        return
    raise RuntimeError("versitygw ended at its start")


@contextmanager
def _serve_sink() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Sink(BaseHTTPRequestHandler):
    """As much of S3 as an upload needs; every byte is read and forgotten."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """A line a request would bury the table."""

    def _swallow(self) -> None:
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            left -= len(self.rfile.read(min(left, CHUNK_BYTES)))

    def _answer(self, body: str = "") -> None:
        self._swallow()
        self.send_response(200)
        self.send_header("ETag", f'"{uuid.uuid4().hex}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        if self.path.endswith("?uploads"):
            self._answer(
                f"<InitiateMultipartUploadResult><UploadId>{json.dumps(1)}</UploadId></InitiateMultipartUploadResult>"
            )
        else:
            self._answer("<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>")
