"""Media tools read what the worker serves, and reach nothing else."""

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from aiobotocore.session import get_session
from tests.worker.hostile_bytes import Canary, listening_canary

from vodstack_worker.arguments import encode_arguments
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.plans import Share, plan_encode
from vodstack_worker.probe import probe
from vodstack_worker.probed import SOURCE
from vodstack_worker.relay import Relay, StoredObject
from vodstack_worker.scratch import Scratch

ASK = """
import json, sys, urllib.error, urllib.request
told = []
for address in sys.argv[1:]:
    request = urllib.request.Request(address, headers={"Range": "bytes=2-4"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            told.append([answer.status, answer.read().decode()])
    except urllib.error.HTTPError as error:
        told.append([error.code, ""])
    except OSError as error:
        told.append([0, ""])
print(json.dumps(told))
"""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    with listening_canary(tmp_path) as listening:
        yield listening


def test_a_tool_reads_the_files_of_its_job_and_no_others(scratch: Scratch, limits: Limits):
    program = Path("/usr/bin/python3")
    if not program.exists():
        pytest.skip("there is no Python that any user may run")
    relay, other = Relay({SOURCE: b"0123456789"}), Relay({SOURCE: b"abcdefghij"})
    asked = [relay.url(SOURCE), relay.url("another"), relay.url("../source"), other.url(SOURCE)]
    with scratch.job() as folder:
        call = run_tool(str(program), ["-I", "-S", "-c", ASK, *asked], folder, limits, relay=relay)
        ending = asyncio.run(call)
    assert json.loads(ending.stdout) == [[206, "234"], [404, ""], [404, ""], [404, ""]], ending.stderr
    assert relay.sent_bytes == 3


STAY = """
import sys, time, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
    answer.read(16 * 1024**2)
    time.sleep(60)
"""
MIB = 1024**2


class Asked:
    """A large object that tells when more than one piece of it is asked for and not sent."""

    size = 64 * MIB
    largest_piece = 4 * MIB

    def __init__(self) -> None:
        self.ahead = asyncio.Event()
        self.relay: Relay | None = None

    async def read(self, start: int, end: int) -> bytes:
        assert self.relay
        if end - self.relay.sent_bytes > self.largest_piece:
            self.ahead.set()
        return bytes(end - start)


def test_the_next_piece_is_fetched_while_one_is_stuck(scratch: Scratch, limits: Limits):
    program = Path("/usr/bin/python3")
    if not program.exists():
        pytest.skip("there is no Python that any user may run")
    asked: Any = Asked()
    asked.relay = relay = Relay({SOURCE: asked})

    async def read(folder: Path) -> None:
        words = ["-I", "-S", "-c", STAY, relay.url(SOURCE)]
        tool = asyncio.create_task(run_tool(str(program), words, folder, limits, relay=relay))
        try:
            async with asyncio.timeout(20):
                await asked.ahead.wait()
        finally:
            tool.cancel()
            await asyncio.gather(tool, return_exceptions=True)

    with scratch.job() as folder:
        asyncio.run(read(folder))


def refer_to(url: bytes, data: bytes) -> bytes:
    """An MP4 whose pictures lie, by its own word, at an address."""
    at = data.index(b"dref") - 4
    size = int.from_bytes(data[at : at + 4])
    entry = b"url " + bytes(4) + url + b"\0"
    dref = b"dref" + bytes(4) + (1).to_bytes(4) + (4 + len(entry)).to_bytes(4) + entry
    grown = bytearray(data[:at] + (4 + len(dref)).to_bytes(4) + dref + data[at + size :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        start = data.rindex(parent, 0, at) - 4
        length = int.from_bytes(data[start : start + 4]) + 4 + len(dref) - size
        grown[start : start + 4] = length.to_bytes(4)
    return bytes(grown)


def test_an_mp4_that_refers_to_another_server_makes_no_tool_call_it(
    canary: Canary, clip: Path, scratch: Scratch, limits: Limits
):
    hostile = refer_to(f"http://127.0.0.1:{canary.port}/a.mp4".encode(), clip.read_bytes())
    relay = Relay({SOURCE: hostile})

    async def encode_it(folder: Path) -> None:
        plan = plan_encode(await probe(folder, limits, max_duration=60), threads=1)
        arguments = encode_arguments(plan, Share(source=relay.url(SOURCE)), cpu_seconds=60)
        await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), arguments, folder, limits, relay=relay)

    with scratch.job() as folder:
        (folder / SOURCE).write_bytes(clip.read_bytes())
        asyncio.run(encode_it(folder))
    assert relay.sent_bytes > 0


def test_a_file_that_cannot_be_read_is_not_taken_for_one_that_ends(aws_endpoint: str, scratch: Scratch, limits: Limits):
    async def probe_it(folder: Path) -> Relay:
        session: Any = get_session()
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        async with session.create_client("s3", endpoint_url=aws_endpoint, **credentials) as s3:
            gone = StoredObject(s3=s3, bucket="nowhere", key="originals/gone/source", size=1000, etag="x")
            relay = Relay({SOURCE: gone})
            arguments = ["-v", "error", "-protocol_whitelist", "http,tcp", "-f", "mov", "-i", relay.url(SOURCE)]
            await run_tool(
                imageio_ffmpeg.get_ffmpeg_exe(), [*arguments, "-f", "null", "-"], folder, limits, relay=relay
            )
            return relay

    with scratch.job() as folder:
        relay = asyncio.run(probe_it(folder))
    with pytest.raises(RetryError, match="cannot be read"):
        relay.require_whole()


def read_by_ffmpeg(relay: Relay, scratch: Scratch, limits: Limits) -> None:
    async def read() -> None:
        arguments = ["-v", "error", "-protocol_whitelist", "http,tcp", "-f", "mov", "-i", relay.url(SOURCE)]
        await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), [*arguments, "-f", "null", "-"], folder, limits, relay=relay)

    with scratch.job() as folder:
        asyncio.run(read())


def test_a_relay_that_breaks_by_a_defect_of_ours_is_no_damaged_file(scratch: Scratch, limits: Limits):
    nobody: Any = None
    relay = Relay({SOURCE: StoredObject(s3=nobody, bucket="b", key="k", size=1000, etag="x")})
    read_by_ffmpeg(relay, scratch, limits)
    with pytest.raises(RetryError, match="the relay broke"):
        relay.require_whole()


def test_a_relay_that_never_gets_to_answer_is_no_damaged_file():
    relay = Relay({SOURCE: b"0123456789"})
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        asyncio.run(relay.answer(ours))
    with pytest.raises(RetryError, match="the relay broke"):
        relay.require_whole()


def test_time_spent_waiting_for_the_bucket_is_not_the_videos_fault(scratch: Scratch, limits: Limits):
    class Asleep:
        async def get_object(self, **_: Any) -> None:
            await asyncio.sleep(600)

    asleep: Any = Asleep()
    relay = Relay({SOURCE: StoredObject(s3=asleep, bucket="b", key="k", size=1000, etag="x")})
    with pytest.raises(RetryError, match="in waiting to read") as ended:
        read_by_ffmpeg(relay, scratch, replace(limits, wall_seconds=3))
    assert not ended.value.counted


@pytest.mark.parametrize("cut", [1, 3])
def test_what_is_no_whole_video_is_refused_where_it_lies(cut: int, clip: Path, scratch: Scratch, limits: Limits):
    data = clip.read_bytes()
    body = data[: len(data) // (2 * cut)]

    class Piece:
        size = len(body)

        def read(self, start: int, length: int) -> bytes:
            return body[start : start + length]

    relay = Relay({SOURCE: body})
    with scratch.job() as folder, pytest.raises(GiveUpError):
        asyncio.run(probe(folder, limits, max_duration=60, relay=relay, remote=Piece()))
