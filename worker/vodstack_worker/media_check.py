"""The check of the media tools at the worker's start, and again where one of them failed without a word on the video.

It tells a broken installation from a broken video: the tools run as they do on a video, on a clip that they make.
"""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import imageio_ffmpeg
import msgspec

from vodstack_contracts.videos import FailureCode
from vodstack_worker.confine import WRITABLE, become
from vodstack_worker.errors import GiveUpError, InstallationError, RetryError, ToolError
from vodstack_worker.media_process import Ending, Limits, run_module, run_tool
from vodstack_worker.probe import probe
from vodstack_worker.probed import SOURCE
from vodstack_worker.relay import Relay
from vodstack_worker.sandbox_report import READABLE_FILE, Layer, own_network
from vodstack_worker.scratch import Scratch
from vodstack_worker.tool_files import JobFiles

# In a pod, whose worker is not root, neither another user nor another network is to be had: other layers do for both.
_SPARED = frozenset({Layer.OWN_USER, Layer.OWN_NETWORK})
_REQUIRED = frozenset(Layer) - _SPARED
_SECCOMP = "allow seccomp filters (the profile RuntimeDefault does), on x86-64 or arm64"
_REMEDIES = {
    Layer.FILES: "use a kernel of 5.13 or later that lists `landlock` among its security modules",
    Layer.SOCKETS: _SECCOMP,
    Layer.RELAY: f"use a kernel of 5.9 or later, and {_SECCOMP}",
    Layer.SYSTEM_CALLS: _SECCOMP,
    Layer.PROCESSES: _SECCOMP,
    Layer.SIGNALS: _SECCOMP,
}
_CAPTIONS = "captions.srt"
_CLIP = "clip"
_MOST_CLIP_BYTES = 16 * 1024 * 1024
_MAKE_CLIP = (
    *("-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=1"),
    *("-f", "lavfi", "-i", "sine=duration=1", "-f", "srt", "-i", _CAPTIONS, "-map", "0", "-map", "1", "-map", "2"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-c:s", "srt", "-f", "matroska", f"{WRITABLE}/{_CLIP}"),
)
_CHECK_SECONDS = 60


def choose_user(wanted: int) -> int:
    """Return the user that media tools run as: `wanted`, or the worker's own where it may not change users.

    Root within a container may lack the capability, or have no other user mapped.
    """
    if os.getuid() != 0:
        return os.getuid()
    child = os.fork()
    if child == 0:
        try:
            become(wanted)
        except OSError:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return wanted if status == 0 else 0


async def check_media_tools(scratch: Scratch, limits: Limits, *, require: bool) -> frozenset[Layer]:
    """Make a clip with ffmpeg and probe it, sandboxed as for a video, and return the layers that stand.

    Raises InstallationError where a tool does not do its work, and, with `require`, where a layer is missing.
    """
    with scratch.job() as folder, scratch.job() as other:
        try:
            layers = await _standing_layers(folder, other, limits)
            await _process_clip(folder, limits)
        except (OSError, RuntimeError, GiveUpError, RetryError, msgspec.DecodeError) as error:
            raise InstallationError(_sentence(str(error), scratch, limits)) from error
    missing = sorted(_REQUIRED - layers)
    if require and missing:
        raise InstallationError(_lacking(missing))
    return layers


def _lacking(missing: list[Layer]) -> str:
    remedies = list(dict.fromkeys(_REMEDIES.get(layer, "run the worker on Linux") for layer in missing))
    return (
        f"the sandbox of media tools lacks {', '.join(missing)} on {sys.platform} ({os.uname().release}): "
        f"{'; '.join(remedies)}. Or set services.worker.cage (VODSTACK_SANDBOX) to best-effort where all videos come "
        "from people whom you trust"
    )


@asynccontextmanager
async def blaming_tools(scratch: Scratch, limits: Limits) -> AsyncGenerator[None]:
    """Raise InstallationError in place of an error that looks like the video's where the tools fail on any video."""
    try:
        yield
    except (ToolError, RuntimeError, FileNotFoundError, PermissionError):
        await check_media_tools(scratch, limits, require=False)
        raise
    except GiveUpError as error:
        if error.failure.code is FailureCode.CORRUPT:
            await check_media_tools(scratch, limits, require=False)
        raise


async def _standing_layers(folder: Path, other: Path, limits: Limits) -> frozenset[Layer]:
    (other / READABLE_FILE).write_bytes(b"")
    arguments = [str(os.getuid()), own_network(), str(other)]
    ending = await run_module("vodstack_worker.sandbox_report", arguments, folder, limits, relay=Relay({}))
    _require_success(ending, "the sandbox")
    return frozenset(msgspec.json.decode(ending.stdout, type=list[Layer]))


async def _process_clip(folder: Path, limits: Limits) -> None:
    (folder / _CAPTIONS).write_text("1\n00:00:00,000 --> 00:00:00,500\nword\n\n")
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    _require_success(await run_tool(ffmpeg, _MAKE_CLIP, folder, limits), ffmpeg)
    (folder / SOURCE).write_bytes(JobFiles(folder).read(_CLIP, _MOST_CLIP_BYTES))
    found = await probe(folder, limits, max_duration=_CHECK_SECONDS)
    if not found.audios or len(found.captions) != 1:
        raise RetryError(f"the probe of a clip with audio and captions found {found.facts}")


def _require_success(ending: Ending, program: str) -> None:
    if ending.code != 0:
        how = f"more {ending.exceeded} than it may" if ending.exceeded else f"exit code {ending.code}"
        raise RetryError(f"{program} ended with {how}. {ending.stderr.strip()}".strip())


def _sentence(reason: str, scratch: Scratch, limits: Limits) -> str:
    user = f" as user {limits.uid}" if limits.uid != os.getuid() else ""
    return (
        f"media tools do not run on this machine{user}: {' '.join(reason[-500:].split()).rstrip('.')}. Install the "
        f"worker anew, or set IMAGEIO_FFMPEG_EXE to an ffmpeg with libx264; see that {sys.prefix} and "
        f"{scratch.root} can be read{user and ' by that user'}"
    )
