"""moto as AWS, in a process of its own (docs/adr/0009-moto-in-its-own-process.md).

`python -m vodstack_platform.embedded.emulator` prints the server's address and serves until its standard input ends.
"""

import argparse
import contextlib
import functools
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Never

import boto3
import httpx
from botocore.config import Config

from vodstack_platform.embedded.atomic import AtomicTables
from vodstack_platform.embedded.cross_origin import CrossOrigin, rules_in_moto
from vodstack_platform.embedded.errors import EmulatorError
from vodstack_platform.embedded.presigned import PresignedUrls, credentials_in_moto, iam_is_enforced

LOOPBACK = "127.0.0.1"
ACCOUNT_ID = "123456789012"  # the account in which moto puts everything
_STOP_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Keys of AWS. moto takes any until IAM is enforced."""

    access_key_id: str = "test"
    secret_access_key: str = "test"  # noqa: S105 - a throw-away key of a throw-away server
    session_token: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which every AWS SDK finds them."""
        found = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return found | ({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {})


ANYONE = Credentials()


# One session for all clients: each of its own would read the services' descriptions anew, a tenth of a second apiece.
_session = functools.cache(boto3.session.Session)
_making = threading.Lock()


def aws_client(service: str, endpoint: str, region: str, credentials: Credentials = ANYONE) -> Any:
    """A boto3 client of the emulator, whatever the environment says about AWS."""
    # Presigned URLs in S3's older form carry no region and no scope: nothing checks them here.
    config = Config(signature_version="s3v4") if service == "s3" else None
    session: Any = _session()
    with _making:
        return session.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            config=config,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
        )


@dataclass(frozen=True)
class Emulator:
    """A running moto server. `process_id` is its operating system process."""

    endpoint_url: str
    process_id: int

    def client(self, service: str, region: str = "us-east-1", credentials: Credentials = ANYONE) -> Any:
        return aws_client(service, self.endpoint_url, region, credentials)

    def enforce_iam(self) -> None:
        """Judge every request from here on by the policies of whoever signs it."""
        self._judge_after("0")

    def ignore_iam(self) -> None:
        self._judge_after("inf")

    def _judge_after(self, requests: str) -> None:
        answer = httpx.post(
            f"{self.endpoint_url}/moto-api/reset-auth", content=requests, headers={"Content-Type": "text/plain"}
        )
        if not answer.is_success:
            raise EmulatorError(f"moto answered {answer.status_code} when asked to switch IAM")


@contextlib.contextmanager
def running_emulator(port: int = 0) -> Generator[Emulator]:
    """Serve AWS on the loopback address, on `port` or a free one, until the context or this process ends."""
    command = [sys.executable, "-P", "-m", __name__, "--port", str(port)]
    # The child reads a pipe that only this process holds: its end tells the child of our end, however sudden.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            if not address.startswith("http://"):
                raise EmulatorError(_why_not_started(port))
            yield Emulator(address, process.pid)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _why_not_started(port: int) -> str:
    if port:
        return f"the AWS emulator did not start on port {port}: if it is taken, choose another, or 0 for a free one"
    return "the AWS emulator did not start; its last words are above"


def main(arguments: list[str] | None = None) -> Never:
    # Read by moto as it is imported: what pages of which origin may do is for the bucket to say, as it is in AWS.
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    # Costs seconds that only the child has to spend.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog=__name__, description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    port: int = parser.parse_args(arguments).port
    # werkzeug writes a line for each request, which would bury the services' own.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = AtomicTables(DomainDispatcherApplication(create_backend_app))
    moto = PresignedUrls(moto, iam_is_enforced, credentials_in_moto)
    moto = CrossOrigin(moto, rules_in_moto)
    server = make_server(LOOPBACK, port, moto, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://{LOOPBACK}:{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    # All that is held lies in memory, and a client's long poll need not be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
