"""The sound of a film leaves scratch while it is encoded."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from vodstack_worker.departures import send_as_written
from vodstack_worker.errors import RetryError
from vodstack_worker.media_process import Limits, run_tool
from vodstack_worker.scratch import Scratch
from vodstack_worker.tool_files import JobFiles


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a tool writes the audio of the job in `tmp_path`."""
    made = tmp_path / "out/hls/audio"
    made.mkdir(parents=True)
    return made


def lying(home: Path) -> list[Path]:
    return list(home.iterdir())


async def write(home: Path, count: int) -> None:
    """Segments, each begun when all but two of those before it are gone."""
    for number in range(count):
        while len(lying(home)) > 2:  # noqa: ASYNC110 - ffmpeg does not tell either
            await asyncio.sleep(0.01)
        (home / f"{number:05d}.m4s").write_text(f"segment {number}")


async def test_all_segments_but_the_last_two_leave_in_order_while_others_are_written(tmp_path: Path, home: Path):
    sent: list[bytes] = []
    files = JobFiles(tmp_path)

    async def send(names: list[str]) -> None:
        sent.extend(files.read(name, 100) for name in names)

    _, names = await send_as_written(write(home, 6), files, ["hls/audio"], send)
    assert names["audio"] == [f"{number:05d}.m4s" for number in range(4)]
    assert sent == [f"segment {number}".encode() for number in range(4)]
    assert sorted(path.read_text() for path in lying(home)) == ["segment 4", "segment 5"]


async def test_segments_of_several_tracks_leave_side_by_side(tmp_path: Path):
    names = ["hls/audio", "hls/audio-1"]
    homes = [tmp_path / "out" / name for name in names]
    for home in homes:
        home.mkdir(parents=True)

    async def encode() -> None:
        await asyncio.gather(*(write(home, count) for home, count in zip(homes, (5, 4), strict=True)))

    async def send(names: list[str]) -> None:
        """Where they go is of no matter here."""

    async with asyncio.timeout(20):
        _, names = await send_as_written(encode(), JobFiles(tmp_path), names, send)
    assert [len(names[home.name]) for home in homes] == [3, 2]
    assert [[path.name for path in sorted(lying(home))] for home in homes] == [
        ["00003.m4s", "00004.m4s"],
        ["00002.m4s", "00003.m4s"],
    ]


async def test_the_encode_ends_when_nothing_can_be_sent(tmp_path: Path, home: Path):
    ended = asyncio.Event()

    async def encode() -> None:
        try:
            await write(home, 3)
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def send(names: list[str]) -> None:
        if names:
            raise RetryError("the bucket is away")

    with pytest.raises(RetryError, match="away"):
        await send_as_written(encode(), JobFiles(tmp_path), ["hls/audio"], send)
    assert ended.is_set()


async def test_an_encode_that_fails_is_told_of(tmp_path: Path, home: Path):
    async def encode() -> None:
        await write(home, 1)
        raise RetryError("killed")

    async def send(names: list[str]) -> None:
        assert names == []

    with pytest.raises(RetryError, match="killed"):
        await send_as_written(encode(), JobFiles(tmp_path), ["hls/audio"], send)


FILL_AND_WAIT = """
import os, pathlib, time
full = pathlib.Path("out/full")
full.write_bytes(bytes(30_000))
print(os.getpid(), flush=True)
while full.exists():
    time.sleep(0.01)
print("went on")
"""


def stands_still(process: int) -> bool:
    return psutil.Process(process).status() == psutil.STATUS_STOPPED


async def until_it_stands_still(lines: list[str]) -> None:
    """Wait for the process whose number is the first line."""
    while not lines or not stands_still(int(lines[0])):  # noqa: ASYNC110 - the kernel does not tell
        await asyncio.sleep(0.01)


async def test_a_tool_stands_still_while_too_much_of_what_it_wrote_is_left(scratch: Scratch, limits: Limits):
    lines: list[str] = []
    with scratch.job() as folder:
        arguments = ["-I", "-S", "-c", FILL_AND_WAIT]
        bounded = replace(limits, pause_bytes=20_000)
        run = asyncio.create_task(run_tool(sys.executable, arguments, folder, bounded, lines.append))
        await until_it_stands_still(lines)
        (folder / "out/full").unlink()
        ending = await run
    assert (ending.code, lines[1:]) == (0, ["went on"])
