"""A film that takes the worker some chunks: small, with a tone, and with text."""

import subprocess
from pathlib import Path


def make_film(ffmpeg: str, path: Path, *, seconds: int, text: str) -> Path:
    """An MP4 with a key frame a second; `text` is SubRip."""
    words = path.with_suffix(".srt")
    words.write_text(text)
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={seconds}"]
    inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-i", words]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    captions = ["-c:s", "mov_text", "-metadata:s:s:0", "language=eng"]
    subprocess.run([ffmpeg, "-v", "error", "-y", *inputs, *encoding, *captions, path], check=True)
    return path
