"""The clip that `vodstack demo` uploads when it is given none, and that `vodstack up` lays ready."""

import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg

from vodstack_cli.errors import CommandError

SECONDS = 20


def ready_clip(folder: Path) -> Path:
    """Return `clip.mp4` in the folder, made where it is not there yet. Raises CommandError."""
    path = folder / "clip.mp4"
    if path.is_file() and path.stat().st_size:
        return path
    # Under its name only once it is whole: two commands may make it at the same time, and either may be stopped.
    with tempfile.TemporaryDirectory(dir=folder, prefix="clip-") as unfinished:
        _make_clip(Path(unfinished) / path.name).replace(path)
    return path


def _make_clip(path: Path) -> Path:
    """Twenty seconds of 1280x720 test picture, with a beep each second, as most cameras write it."""
    picture = f"testsrc2=size=1280x720:rate=30:duration={SECONDS}"
    tone = f"sine=frequency=220:beep_factor=4:duration={SECONDS}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)]
    try:
        # In a process group of its own, Ctrl-C of the terminal does not reach it: it ends within a second or two.
        subprocess.run(command, check=True, capture_output=True, text=True, process_group=0)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"status {error.returncode}"
        raise CommandError(
            f"ffmpeg could not make a clip in {path.parent.parent}: {reason.splitlines()[-1]}"
        ) from error
    return path
