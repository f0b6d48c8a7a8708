"""The clip that `vodstack demo` uploads when it is given none."""

import subprocess
from pathlib import Path

import imageio_ffmpeg

SECONDS = 20


def make_clip(directory: Path) -> Path:
    """Twenty seconds of 1280x720 test picture, with a beep each second, as most cameras write it."""
    path = directory / "clip.mp4"
    picture = f"testsrc2=size=1280x720:rate=30:duration={SECONDS}"
    tone = f"sine=frequency=220:beep_factor=4:duration={SECONDS}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(path)]
    subprocess.run(command, check=True)
    return path
