"""One ffmpeg run that decodes the original once and writes every rendition; then the MP4 and the poster from those."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg

from vodstack_contracts.videos import FailureCode
from vodstack_worker.codecs import CODEC_WHITELIST
from vodstack_worker.confine import CANNOT_RUN
from vodstack_worker.containers import DEMUXERS
from vodstack_worker.errors import GiveUpError, RetryError
from vodstack_worker.ladder import Rung, plan_ladder
from vodstack_worker.media_process import Ending, Limits, run_tool
from vodstack_worker.probe import MAX_PIXELS, MAX_STREAMS, SOURCE, Probe
from vodstack_worker.scratch import make_folder

OUTPUT = "out"
AUDIO = "audio"
PLAYLIST = "index.m3u8"
INIT = "init.mp4"
MP4 = f"{OUTPUT}/video.mp4"
POSTER = f"{OUTPUT}/poster.jpg"
QUIET = ("-nostdin", "-hide_banner", "-v", "error", "-y")

_GROUPS_PER_SEGMENT = 2
_GROUP_SECONDS = 2
_AUDIO_BITRATE = 128_000
_AUDIO_RATE = 48_000
_CRF = 23
_MIN_TIMESCALE = 10_000
_MAX_ALLOCATION_BYTES = 512 * 1024**2
_POSTER_WIDTH = 1280
_POSTER_POSITION = 0.1
_WALL_SECONDS = 600.0
_WALL_SECONDS_PER_SECOND = 60.0
_SPARE_SECONDS = 60.0
_PAD_SECONDS = 1.0
# Primaries and matrix are named, for sources that tag the transfer alone.
_TONE_MAP = (
    "setparams=color_primaries=bt2020:colorspace=bt2020nc,zscale=t=linear:npl=100:p=bt709,format=gbrpf32le,"
    "tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,"
)
# How ffmpeg ends when a signal asks it to; here the only one is that of the CPU limit.
_STOPPED_BY_SIGNAL = 255
_BARE = ("-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about an encode that follows from the probe."""

    probe: Probe
    rungs: list[Rung]
    threads: int

    @property
    def group(self) -> int:
        """Frames from key frame to key frame, the same in every rendition."""
        return max(1, round(self.probe.rate * _GROUP_SECONDS))

    @property
    def frames(self) -> int:
        """Frames of the output, where the source's timestamps can be trusted."""
        return max(1, round(self.probe.facts.duration_seconds * self.probe.rate))

    @property
    def segment_microseconds(self) -> int:
        """Rounded down: a microsecond too many and the muxer waits for the next key frame."""
        return int(_GROUPS_PER_SEGMENT * self.group * 1_000_000 / self.probe.rate)

    @property
    def timescale(self) -> int:
        """One in which every frame's duration is a whole number."""
        numerator = self.probe.rate.numerator
        return numerator * -(-_MIN_TIMESCALE // numerator)


def plan_encode(probe: Probe, threads: int) -> Plan:
    facts = probe.facts
    return Plan(probe=probe, rungs=plan_ladder(facts.width, facts.height, float(probe.rate)), threads=threads)


async def encode(folder: Path, plan: Plan, limits: Limits, on_progress: Callable[[float], None]) -> None:
    """Write every rendition below `folder`. Raises GiveUpError or RetryError."""
    duration = plan.probe.facts.duration_seconds
    for name in [*(rung.name for rung in plan.rungs), AUDIO]:
        make_folder(folder, f"{OUTPUT}/hls/{name}", limits.uid)

    def on_line(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "out_time_us" and value.lstrip("-").isdigit():
            on_progress(min(1.0, max(0.0, int(value) / 1_000_000 / max(duration, 0.001))))

    wall = _WALL_SECONDS + _WALL_SECONDS_PER_SECOND * duration
    bounded = replace(limits, wall_seconds=wall, cpu_seconds=int(wall * max(1, plan.threads)))
    ending = await run_tool(
        imageio_ffmpeg.get_ffmpeg_exe(), encode_arguments(plan, bounded.cpu_seconds), folder, bounded, on_line
    )
    require_success(ending, "encode")


async def assemble(folder: Path, plan: Plan, limits: Limits) -> None:
    """The progressive MP4, by copy of the largest rendition, and the poster. Only files of our own are read."""
    duration = plan.probe.facts.duration_seconds
    bounded = replace(limits, wall_seconds=_WALL_SECONDS + duration, cpu_seconds=int(_WALL_SECONDS + duration))
    for arguments in (_mp4_arguments(plan), _poster_arguments(duration)):
        require_success(await run_tool(imageio_ffmpeg.get_ffmpeg_exe(), arguments, folder, bounded), "assemble")


def encode_arguments(plan: Plan, cpu_seconds: int) -> list[str]:
    """Ffmpeg's arguments: fixed words and numbers of ours, nothing that a client wrote."""
    return [
        *QUIET,
        *("-progress", "pipe:1", "-stats_period", "0.5"),
        *("-max_alloc", str(_MAX_ALLOCATION_BYTES), "-timelimit", str(cpu_seconds)),
        *("-filter_complex_threads", str(plan.threads)),
        *_input_arguments(plan),
        *("-filter_complex", _filters(plan)),
        *(word for index, rung in enumerate(plan.rungs) for word in _rung_arguments(plan, index, rung)),
        *(_audio_arguments(plan) if plan.probe.audio_index is not None else ()),
    ]


def _input_arguments(plan: Plan) -> list[str]:
    probe = plan.probe
    clock = ["-copyts", "-itsoffset", f"{-probe.origin:.9f}"] if probe.grid else []
    return [
        *("-protocol_whitelist", "file", "-format_whitelist", DEMUXERS[probe.demuxer]),
        *("-codec_whitelist", CODEC_WHITELIST),
        *("-max_pixels", str(MAX_PIXELS), "-max_streams", str(MAX_STREAMS)),
        *("-threads", str(plan.threads)),
        *clock,
        *("-f", probe.demuxer, "-i", SOURCE),
    ]


def _filters(plan: Plan) -> str:
    """The frames on the grid, once, then each rendition's size; the sound beside it."""
    probe, rate = plan.probe, plan.probe.rate
    common = [
        *(["bwdif=mode=send_frame:deint=all"] if probe.interlaced else []),
        f"fps={rate.numerator}/{rate.denominator}:round=near:start_time=0",
        *(_length_filters(plan) if probe.grid else ()),
        f"split={len(plan.rungs)}",
    ]
    outlets = "".join(f"[v{index}]" for index in range(len(plan.rungs)))
    chains = [f"[0:{probe.video_index}]{','.join(common)}{outlets}"]
    tone = _TONE_MAP if probe.hdr else ""
    chains += [
        f"[v{index}]scale={rung.width}:{rung.height}:out_range=tv,{tone}format=yuv420p,setsar=1[r{index}]"
        for index, rung in enumerate(plan.rungs)
    ]
    if probe.audio_index is not None:
        chains.append(
            f"[0:{probe.audio_index}]aresample={_AUDIO_RATE}:async=1:first_pts=0,"
            "aformat=sample_fmts=fltp:channel_layouts=stereo[sound]"
        )
    return ";".join(chains)


def _length_filters(plan: Plan) -> tuple[str, str]:
    """Exactly as many frames as the source lasts: the last one stays while sound goes on, or where frames are lost."""
    pad = plan.probe.pad + _PAD_SECONDS
    return f"tpad=stop_mode=clone:stop_duration={pad:.3f}", f"trim=end_pts={plan.frames}"


def _rung_arguments(plan: Plan, index: int, rung: Rung) -> list[str]:
    group = str(plan.group)
    return [
        *("-map", f"[r{index}]", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(_CRF)),
        *("-maxrate", str(rung.max_bitrate), "-bufsize", str(2 * rung.max_bitrate)),
        *("-g", group, "-keyint_min", group, "-sc_threshold", "0", "-bf", "3", "-x264-params", "open-gop=0"),
        *("-fps_mode", "passthrough", "-threads", str(plan.threads)),
        *_hls_arguments(plan, rung.name, f"video_track_timescale={plan.timescale}:movflags=+frag_discont"),
    ]


def _audio_arguments(plan: Plan) -> list[str]:
    return [
        *("-map", "[sound]", "-c:a", "aac", "-profile:a", "aac_low", "-b:a", str(_AUDIO_BITRATE), "-ac", "2"),
        *_hls_arguments(plan, AUDIO, ""),
    ]


def _hls_arguments(plan: Plan, name: str, segment_options: str) -> list[str]:
    folder = f"{OUTPUT}/hls/{name}"
    length = plan.segment_microseconds / 1_000_000
    return [
        *_BARE,
        *("-t", f"{plan.probe.facts.duration_seconds + _SPARE_SECONDS:.3f}", "-avoid_negative_ts", "disabled"),
        *("-f", "hls", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-hls_time", f"{length:.6f}"),
        *("-hls_flags", "independent_segments", "-hls_fmp4_init_filename", INIT),
        *("-hls_segment_filename", f"{folder}/%05d.m4s"),
        *(("-hls_segment_options", segment_options) if segment_options else ()),
        f"{folder}/{PLAYLIST}",
    ]


def _mp4_arguments(plan: Plan) -> list[str]:
    names = [plan.rungs[0].name, *([AUDIO] if plan.probe.audio_index is not None else [])]
    inputs = [
        word
        for name in names
        for word in ("-protocol_whitelist", "file", "-f", "hls", "-i", f"{OUTPUT}/hls/{name}/{PLAYLIST}")
    ]
    maps = [word for number in range(len(names)) for word in ("-map", f"{number}:0")]
    return [*QUIET, "-copyts", *inputs, *maps, *_BARE, "-c", "copy", "-movflags", "+faststart", "-f", "mp4", MP4]


def _poster_arguments(duration: float) -> list[str]:
    position = duration * _POSTER_POSITION if duration > 1 else 0.0
    return [
        *QUIET,
        *("-ss", f"{position:.3f}", "-protocol_whitelist", "file", "-f", "mov", "-i", MP4),
        *("-frames:v", "1", "-vf", f"scale='min({_POSTER_WIDTH},iw)':-2:out_range=full,format=yuvj420p", "-q:v", "3"),
        *("-f", "image2", "-update", "1", POSTER),
    ]


def require_success(ending: Ending, step: str) -> None:
    """Raises GiveUpError or RetryError, by how a step ended."""
    exceeded = "CPU time" if ending.code == _STOPPED_BY_SIGNAL else ending.exceeded
    if exceeded:
        raise GiveUpError(
            FailureCode.LIMIT_EXCEEDED,
            f"Processing took more {exceeded} than a video of this length may. Re-encode it, smaller, and upload that.",
        )
    if ending.code == CANNOT_RUN:
        raise RetryError(f"{step}: {ending.stderr}")
    if ending.killed:
        raise RetryError(f"{step}: ffmpeg was killed by signal {-ending.code}: {ending.stderr}")
    if "No space left" in ending.stderr or "Cannot allocate memory" in ending.stderr:
        raise RetryError(f"{step}: {ending.stderr}")
    if ending.code != 0 and step == "encode":
        raise GiveUpError(FailureCode.CORRUPT, "The video cannot be decoded. Export it again and upload that.")
    if ending.code != 0:
        raise RetryError(f"{step}: ffmpeg ended with {ending.code}: {ending.stderr}")
