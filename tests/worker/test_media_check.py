"""A machine on which media tools do not run is told at once, and no video is blamed for it."""

import asyncio
import ctypes
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import pytest
from tests.worker.running import media_processes

from vodstack_contracts.videos import Stage, Status
from vodstack_worker.confine import call
from vodstack_worker.late_imports import import_all
from vodstack_worker.media_check import check_media_tools, choose_user
from vodstack_worker.media_process import Limits
from vodstack_worker.sandbox_report import Layer
from vodstack_worker.scratch import Scratch

REFUSALS = (sys.executable, "-I", "-S", str(Path(__file__).parent / "refusals.py"), "none")
ALONE = ("unshare", "--user", "--map-root-user")
HIDING = ("/bin/sh", "-c", 'umask 077; exec "$@"', "-")
IN_VAIN = shutil.which("false") or "false"

is_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has a user to give up, or may filter system calls")
is_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these")


def ended(worker: Any) -> int:
    return worker.process.wait(60)


def test_a_worker_whose_ffmpeg_does_not_work_ends_before_it_takes_a_video(videos: Any, workers: Any, clip: Path):
    video_id = videos.upload(clip)
    worker = workers.start(IMAGEIO_FFMPEG_EXE=IN_VAIN)
    assert ended(worker) == 3
    last = worker.log().splitlines()[-1]
    assert last.startswith("the worker stops: media tools do not run on this machine")
    assert IN_VAIN in last
    assert "IMAGEIO_FFMPEG_EXE" in last
    record = videos.record(video_id)
    assert (record.status, record.failures) == (Status.QUEUED, 0)
    assert not videos.queue_is_empty()


ONE_PASS = {"VODSTACK_CHUNKS_QUEUE_URL": ""}
CHUNKS = {"VODSTACK_CHUNK_SECONDS": "4"}


@pytest.mark.parametrize("small", [ONE_PASS, pytest.param(CHUNKS, marks=pytest.mark.prove)], ids=["one pass", "chunks"])
def test_an_installation_that_breaks_later_stops_the_worker_and_costs_the_video_nothing(
    small: dict[str, str], videos: Any, workers: Any, film: Path, tmp_path: Path
):
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    link = tmp_path / "ffmpeg"
    link.symlink_to(ffmpeg)
    worker = workers.start(IMAGEIO_FFMPEG_EXE=str(link), **small)
    worker.wait_until_ready()
    link.unlink()
    link.symlink_to(IN_VAIN)
    video_id = videos.upload(film)
    assert ended(worker) == 3
    assert "media tools do not run on this machine" in worker.log().splitlines()[-1]
    record = videos.record(video_id)
    assert record.status is Status.PROCESSING
    assert record.failures == 0
    assert record.error is None
    link.unlink()
    link.symlink_to(ffmpeg)
    workers.start(IMAGEIO_FFMPEG_EXE=str(link), **small)
    assert videos.wait_until(video_id, Status.READY, Status.FAILED).status is Status.READY
    assert videos.record(video_id).plan.reason in {"", "chunks are off"}


@pytest.mark.prove
def test_a_video_that_cannot_be_decoded_stops_no_worker(videos: Any, workers: Any, clip: Path, tmp_path: Path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    broken, whole = videos.upload(cut), videos.upload(clip)
    worker = workers.start()
    videos.wait_until(broken, Status.FAILED)
    videos.wait_until(whole, Status.READY)
    assert worker.process.poll() is None


@pytest.mark.prove
@is_root
def test_an_umask_that_hides_files_from_others_hides_none_from_media_tools(videos: Any, workers: Any, clip: Path):
    video_id = videos.upload(clip)
    workers.start(under=HIDING)
    assert videos.wait_until(video_id, Status.READY, Status.FAILED).status is Status.READY


@is_root
@is_linux
def test_all_layers_stand_on_linux(scratch: Scratch, limits: Limits):
    layers = asyncio.run(check_media_tools(scratch, limits, require=True))
    assert layers >= set(Layer) - {Layer.OWN_NETWORK}


@is_root
@is_linux
def test_a_worker_that_needs_its_sandbox_does_not_start_without(workers: Any):
    worker = workers.start(under=REFUSALS)
    assert ended(worker) == 3
    last = worker.log().splitlines()[-1]
    assert "lacks death_with_worker" in last
    assert "no_new_privileges, processes, relay, sockets, system_calls" in last
    assert "(VODSTACK_SANDBOX) to best-effort" in last


@pytest.mark.prove
@is_root
@is_linux
def test_with_the_best_that_there_is_videos_are_processed_and_tools_die_with_a_killed_worker(
    videos: Any, workers: Any, clip: Path, long_clip: Path
):
    worker = workers.start(under=REFUSALS, VODSTACK_SANDBOX="best-effort")
    videos.wait_until(videos.upload(clip), Status.READY)
    told = next(line for line in worker.log().splitlines() if "media tools work" in line)
    assert "no_new_privileges" in told.partition("lacks")[2]
    video_id = videos.upload(long_clip)
    videos.wait_for(
        lambda: videos.record(video_id).stage is Stage.TRANSCODE and media_processes(worker.scratch), "an encode"
    )
    worker.process.send_signal(signal.SIGKILL)
    videos.wait_for(lambda: not media_processes(worker.scratch), "what the worker began to end with it")


def may_map_users() -> bool:
    found = shutil.which(ALONE[0])
    return bool(found) and subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.prove
@pytest.mark.skipif(not may_map_users(), reason="user namespaces are refused here")
def test_root_that_may_not_change_users_runs_media_tools_as_itself(videos: Any, workers: Any, clip: Path):
    video_id = videos.upload(clip)
    worker = workers.start(under=ALONE)
    assert videos.wait_until(video_id, Status.READY, Status.FAILED).status is Status.READY
    told = next(line for line in worker.log().splitlines() if "media tools work" in line)
    assert "own_user" in told.partition("lacks")[2]


def test_no_module_of_pyav_is_left_to_be_imported_within_the_sandbox():
    import_all()
    unused = {"av.__main__", "av.datasets"}
    modules = {found.name for found in pkgutil.walk_packages(av.__path__, "av.")} - unused
    assert modules <= set(sys.modules)


@is_root
def test_root_has_media_tools_run_as_another_user():
    assert choose_user(65_534) == 65_534


def test_a_function_that_the_c_library_lacks_fails_as_one_that_is_refused():
    assert call(ctypes.CDLL(None), "no_such_function_anywhere", 1) == -1
