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


def lying(home: Path) -> list[Path]:
    return list(home.iterdir())


async def write(home: Path, count: int) -> None:
    """Segments, each begun when all but two of those before it are gone."""
    for number in range(count):
        while len(lying(home)) > 2:  # noqa: ASYNC110 - ffmpeg does not tell either
            await asyncio.sleep(0.01)
        (home / f"{number:05d}.m4s").write_text(f"segment {number}")


async def test_all_segments_but_the_last_two_leave_in_order_while_others_are_written(tmp_path: Path):
    sent: list[str] = []

    async def send(files: list[Path]) -> None:
        sent.extend(path.read_text() for path in files)

    _, names = await send_as_written(write(tmp_path, 6), [tmp_path], send)
    assert names[tmp_path.name] == [f"{number:05d}.m4s" for number in range(4)]
    assert sent == [f"segment {number}" for number in range(4)]
    assert sorted(path.read_text() for path in lying(tmp_path)) == ["segment 4", "segment 5"]


async def test_segments_of_several_tracks_leave_side_by_side(tmp_path: Path):
    homes = [tmp_path / "audio", tmp_path / "audio-1"]
    for home in homes:
        home.mkdir()

    async def encode() -> None:
        await asyncio.gather(*(write(home, count) for home, count in zip(homes, (5, 4), strict=True)))

    async def send(files: list[Path]) -> None:
        """Where they go is of no matter here."""

    async with asyncio.timeout(20):
        _, names = await send_as_written(encode(), homes, send)
    assert [len(names[home.name]) for home in homes] == [3, 2]
    assert [[path.name for path in sorted(lying(home))] for home in homes] == [
        ["00003.m4s", "00004.m4s"],
        ["00002.m4s", "00003.m4s"],
    ]


async def test_the_encode_ends_when_nothing_can_be_sent(tmp_path: Path):
    ended = asyncio.Event()

    async def encode() -> None:
        try:
            await write(tmp_path, 3)
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def send(files: list[Path]) -> None:
        if files:
            raise RetryError("the bucket is away")

    with pytest.raises(RetryError, match="away"):
        await send_as_written(encode(), [tmp_path], send)
    assert ended.is_set()


async def test_an_encode_that_fails_is_told_of(tmp_path: Path):
    async def encode() -> None:
        await write(tmp_path, 1)
        raise RetryError("killed")

    async def send(files: list[Path]) -> None:
        assert files == []

    with pytest.raises(RetryError, match="killed"):
        await send_as_written(encode(), [tmp_path], send)


FILL_AND_WAIT = """
import os, pathlib, time
full = pathlib.Path("full")
full.write_bytes(bytes(3000))
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
        bounded = replace(limits, pause_bytes=2000)
        run = asyncio.create_task(run_tool(sys.executable, arguments, folder, bounded, lines.append))
        await until_it_stands_still(lines)
        (folder / "full").unlink()
        ending = await run
    assert (ending.code, lines[1:]) == (0, ["went on"])
