"""A film that takes the worker some chunks: small, with a tone for each of two languages, and with text."""

import subprocess
from pathlib import Path


def make_film(ffmpeg: str, path: Path, *, seconds: int, text: str) -> Path:
    """An MP4 with a key frame a second, 440 Hz in English and 1320 Hz in German; `text` is SubRip."""
    words = path.with_suffix(".srt")
    words.write_text(text)
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={seconds}"]
    tones = [
        word for pitch in (440, 1320) for word in ("-f", "lavfi", "-i", f"sine=frequency={pitch}:duration={seconds}")
    ]
    maps = [word for number in range(4) for word in ("-map", str(number))]
    languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    captions = ["-c:s", "mov_text", "-metadata:s:s:0", "language=eng"]
    command = [ffmpeg, "-v", "error", "-y", *inputs, *tones, "-i", words, *maps, *encoding, *languages, *captions, path]
    subprocess.run(command, check=True)
    return path
