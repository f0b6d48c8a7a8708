"""What a taken-over tool leaves in place of its files is neither published nor followed, waited for or written to."""

import asyncio
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session
from tests.worker.conftest import Transcode

from vodstack_contracts.objects import rendition_prefix
from vodstack_contracts.videos import new_video_id
from vodstack_worker import tool_files
from vodstack_worker.arguments import INIT
from vodstack_worker.errors import RetryError, WorkerError
from vodstack_worker.playlists import list_segments, playlist_text
from vodstack_worker.publish import measure_output, publish
from vodstack_worker.scratch import make_folder
from vodstack_worker.tails import join_tail
from vodstack_worker.tool_files import JobFiles

SECRET = b"the worker's own token"
GIB = 1024**3


def as_symlink(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def as_hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def as_pipe(path: Path, secret: Path) -> None:
    del secret
    os.mkfifo(path)


def as_folder(path: Path, secret: Path) -> None:
    path.mkdir()
    shutil.copy(secret, path)


def as_socket(path: Path, secret: Path) -> None:
    del secret
    made = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    # A socket's path is shorter than many a test's folder.
    os.chdir(path.parent)
    try:
        made.bind(path.name)
    finally:
        os.chdir(here)
        made.close()


def as_linked_folder(path: Path, secret: Path) -> None:
    """The folder of a file is a link to one elsewhere that has a file of its name."""
    home, elsewhere = path.parent, secret.parent / "elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    home.rename(elsewhere)
    (elsewhere / path.name).write_bytes(SECRET)
    home.symlink_to(elsewhere)


DISGUISES = [as_symlink, as_hard_link, as_pipe, as_folder, as_socket, as_linked_folder]


@pytest.fixture(params=["at once", "step by step"])
def job(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folders; with and without the kernel's own help."""
    if request.param == "step by step":
        monkeypatch.setattr(tool_files, "_OPENAT2", 9999)
    made = tmp_path / "job"
    (made / "out/hls/180p").mkdir(parents=True)
    (made / "own").mkdir()
    return made


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secrets/token"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.mark.parametrize("disguise", DISGUISES, ids=lambda each: each.__name__)
def test_a_file_in_disguise_is_not_opened(disguise: Callable[[Path, Path], None], job: Path, secret: Path):
    disguise(job / "out/hls/180p/00000.m4s", secret)
    files = JobFiles(job)
    for use in (files.read, files.size):
        with pytest.raises(RetryError, match=r"180p/00000\.m4s was written as no plain file"):
            use("hls/180p/00000.m4s", GIB)
    assert secret.read_bytes() == SECRET


def test_a_file_is_as_large_as_it_may_be_and_below_the_output(job: Path, secret: Path):
    files = JobFiles(job)
    (job / "out/large").touch()
    os.truncate(job / "out/large", 100 * GIB)
    with pytest.raises(RetryError, match="more than the 100 that it may have"):
        files.read("large", 100)
    for name in ("../../secrets/token", str(secret), "hls/../../../secrets/token"):
        with pytest.raises(RetryError):
            files.read(name, GIB)
    with pytest.raises(RetryError, match="was not written"):
        files.read("nothing", GIB)
    (job / "out/plain").write_bytes(b"plain")
    assert files.read("plain", 5) == b"plain"


def test_folders_are_listed_made_and_emptied_without_following_links(job: Path, secret: Path):
    files = JobFiles(job)
    (job / "out/thumbnails").symlink_to(secret.parent)
    owner = secret.parent.stat().st_uid
    for use in (files.names, lambda name: files.remove(f"{name}/token")):
        with pytest.raises(RetryError):
            use("thumbnails")
    with pytest.raises(OSError, match="thumbnails"):
        make_folder(job, "out/thumbnails/more", 65_534)
    assert (secret.read_bytes(), secret.parent.stat().st_uid) == (SECRET, owner)
    assert [path.name for path in secret.parent.iterdir()] == ["token"]


PLAYLISTS = {
    "names of others": playlist_text(INIT, ["../../../x.m4s", "00001.m4s"], [4.0, 4.0]),
    "names out of order": playlist_text(INIT, ["00001.m4s", "00000.m4s"], [4.0, 4.0]),
    "a name twice": playlist_text(INIT, ["00000.m4s", "00000.m4s"], [4.0, 4.0]),
    "another init segment": playlist_text("other.mp4", ["00000.m4s"], [4.0]),
    "no number": playlist_text(INIT, ["00000.m4s"], [4.0]).replace("4.000000", "4.0.0"),
    "a length without end": playlist_text(INIT, ["00000.m4s"], [4.0]).replace("4.000000", "9" * 400),
    "bytes": "\ud800",
}


@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS.keys())
def test_a_playlist_names_what_the_plan_does_or_is_refused(text: str, job: Path):
    (job / "out/hls/180p/index.m3u8").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(RetryError, match="180p"):
        list_segments(JobFiles(job), "hls/180p")


def test_a_short_tail_is_joined_beside_the_tools_files(job: Path, secret: Path):
    home = job / "out/hls/audio"
    home.mkdir()
    names = ["00000.m4s", "00001.m4s", "00002.m4s"]
    (home / "index.m3u8").write_text(playlist_text(INIT, names, [4.0, 4.0, 0.1]))
    (home / names[2]).write_bytes(b"tail")
    (home / names[1]).hardlink_to(secret)
    with pytest.raises(RetryError, match="no plain file"):
        join_tail(JobFiles(job), "hls/audio")
    (home / names[1]).unlink()
    (home / names[1]).write_bytes(b"body and ")
    join_tail(JobFiles(job), "hls/audio")
    assert secret.read_bytes() == SECRET
    assert (home / names[1]).read_bytes() == b"body and "
    assert JobFiles(job).read("hls/audio/00001.m4s", 100) == b"body and tail"
    assert list_segments(JobFiles(job), "hls/audio").segments == names[:2]


def test_nothing_but_the_plans_files_is_published_and_nothing_is_written_through_links(
    transcode: Transcode, tiny_clip: Path, secret: Path, tmp_path: Path, foundation: Any
):
    made = transcode(tiny_clip)
    rung = made.plan.rungs[0].name
    tools = [f"hls/{rung}/index.m3u8", f"hls/{rung}/{INIT}", f"hls/{rung}/00000.m4s", "hls/audio/00000.m4s"]
    for name in [*tools, "video.mp4", "poster.jpg", "thumbnails/000.jpg"]:
        for disguise in DISGUISES:
            job = tmp_path / "again"
            shutil.copytree(made.job, job)
            shutil.rmtree(job / "own")
            (job / "own").mkdir()
            (job / "out" / name).unlink()
            disguise(job / "out" / name, secret)
            with pytest.raises(WorkerError):
                measure_output(job, made.plan, new_video_id())
            shutil.rmtree(job)
    # What the worker writes, and what no plan names, may lie there in any disguise.
    for name in ("hls/master.m3u8", "hls/manifest.mpd", "thumbnails/index.vtt", "hls/stolen.m4s", "stolen.jpg"):
        (made.job / "out" / name).symlink_to(secret)
    video_id = new_video_id()
    published = measure_output(made.job, made.plan, video_id)
    asyncio.run(publish_it(foundation, made.job, video_id, published.names))
    s3 = foundation.client("s3")
    keys = [
        each["Key"]
        for each in s3.list_objects_v2(Bucket=foundation.bucket, Prefix=rendition_prefix(video_id))["Contents"]
    ]
    assert sorted(keys) == sorted(rendition_prefix(video_id) + name for name in made.published.names)
    assert all(SECRET not in s3.get_object(Bucket=foundation.bucket, Key=key)["Body"].read() for key in keys)
    assert secret.read_bytes() == SECRET


async def publish_it(foundation: Any, job: Path, video_id: str, names: list[str]) -> None:
    session: Any = get_session()
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    async with session.create_client("s3", endpoint_url=foundation.endpoint_url, **credentials) as s3:
        await publish(s3, foundation.bucket, JobFiles(job), video_id, names, keys=[], on_progress=lambda _: None)
