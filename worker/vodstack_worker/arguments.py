"""Ffmpeg's arguments: fixed words and numbers of ours, nothing that a client wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

from vodstack_worker.codecs import CODEC_WHITELIST
from vodstack_worker.containers import DEMUXERS, PROTOCOLS
from vodstack_worker.ladder import Rung
from vodstack_worker.plans import Chunk, Plan
from vodstack_worker.probed import MAX_PIXELS, MAX_STREAMS, SOURCE

OUTPUT = "out"
AUDIO = "audio"
PLAYLIST = "index.m3u8"
INIT = "init.mp4"
MP4 = f"{OUTPUT}/video.mp4"
POSTER = f"{OUTPUT}/poster.jpg"
QUIET = ("-nostdin", "-hide_banner", "-v", "error", "-y")
AUDIO_RATE = 48_000

_AUDIO_BITRATE = 128_000
_CRF = 23
_MAX_ALLOCATION_BYTES = 512 * 1024**2
_POSTER_WIDTH = 1280
_POSTER_POSITION = 0.1
_SPARE_SECONDS = 60.0
_PAD_SECONDS = 1.0
# Primaries and matrix are named, for sources that tag the transfer alone.
_TONE_MAP = (
    "setparams=color_primaries=bt2020:colorspace=bt2020nc,zscale=t=linear:npl=100:p=bt709,format=gbrpf32le,"
    "tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,"
)
_BARE = ("-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one run makes of a plan, all of it unless told otherwise, and from which address it reads.

    `names` is what its files' names begin with.
    """

    source: str = SOURCE
    chunk: Chunk | None = None
    pictures: bool = True
    sound: bool = True
    names: str = ""


def folders_of(plan: Plan, share: Share) -> list[str]:
    """Names of the renditions that a run writes."""
    rungs = [rung.name for rung in plan.rungs] if share.pictures else []
    return [*rungs, *([AUDIO] if _is_heard(plan, share) else [])]


def encode_arguments(plan: Plan, share: Share, cpu_seconds: int) -> list[str]:
    rungs = enumerate(plan.rungs if share.pictures else ())
    return [
        *QUIET,
        *("-progress", "pipe:1", "-stats_period", "1"),
        *("-max_alloc", str(_MAX_ALLOCATION_BYTES), "-timelimit", str(cpu_seconds)),
        *("-filter_complex_threads", str(plan.threads)),
        *input_arguments(plan, share),
        *("-filter_complex", ";".join([*_picture_filters(plan, share), *_sound_filters(plan, share)])),
        *(word for index, rung in rungs for word in _rung_arguments(plan, share, index, rung)),
        *(_audio_arguments(plan, share) if _is_heard(plan, share) else ()),
    ]


def _is_heard(plan: Plan, share: Share) -> bool:
    return share.sound and plan.probe.audio_index is not None


def protocols_for(address: str) -> str:
    return PROTOCOLS if address.startswith("http://") else "file"


def input_arguments(plan: Plan, share: Share) -> list[str]:
    probe, chunk = plan.probe, share.chunk
    clock = ["-copyts", "-itsoffset", f"{-probe.origin:.9f}"] if probe.grid else []
    seek = ["-noaccurate_seek", "-ss", f"{chunk.seek:.6f}"] if chunk and chunk.seek is not None else []
    return [
        *("-protocol_whitelist", protocols_for(share.source), "-format_whitelist", DEMUXERS[probe.demuxer]),
        *("-codec_whitelist", CODEC_WHITELIST),
        *("-max_pixels", str(MAX_PIXELS), "-max_streams", str(MAX_STREAMS)),
        *("-threads", str(plan.threads)),
        *clock,
        *seek,
        *("-f", probe.demuxer, "-i", share.source),
    ]


def grid_filters(plan: Plan, chunk: Chunk | None) -> list[str]:
    """The frames that enter the encoders, each at its place on the grid."""
    probe, rate = plan.probe, plan.probe.rate
    # A run that begins in the middle has nothing to fill up to its first frame.
    start = ":start_time=0" if chunk is None or chunk.number == 0 else ""
    return [
        *(["bwdif=mode=send_frame:deint=all"] if probe.interlaced else []),
        f"fps={rate.numerator}/{rate.denominator}:round=near{start}",
        *(_length_filters(plan, chunk) if probe.grid else ()),
    ]


def _length_filters(plan: Plan, chunk: Chunk | None) -> list[str]:
    """Exactly as many frames as the source lasts: the last one stays while sound goes on, or where frames are lost."""
    pad = plan.probe.pad + _PAD_SECONDS
    stay = [] if chunk and not chunk.last else [f"tpad=stop_mode=clone:stop_duration={pad:.3f}"]
    first = f"start_pts={chunk.first}:" if chunk and chunk.number else ""
    return [*stay, f"trim={first}end_pts={chunk.end if chunk else plan.frames}"]


def _picture_filters(plan: Plan, share: Share) -> list[str]:
    """The grid, once, then each rendition's size."""
    if not share.pictures:
        return []
    probe = plan.probe
    outlets = "".join(f"[v{index}]" for index in range(len(plan.rungs)))
    common = [*grid_filters(plan, share.chunk), f"split={len(plan.rungs)}"]
    tone = _TONE_MAP if probe.hdr else ""
    return [
        f"[0:{probe.video_index}]{','.join(common)}{outlets}",
        *(
            f"[v{index}]scale={rung.width}:{rung.height}:out_range=tv,{tone}format=yuv420p,setsar=1[r{index}]"
            for index, rung in enumerate(plan.rungs)
        ),
    ]


def _sound_filters(plan: Plan, share: Share) -> list[str]:
    if not _is_heard(plan, share):
        return []
    resampled = f"aresample={AUDIO_RATE}:async=1:first_pts=0"
    return [f"[0:{plan.probe.audio_index}]{resampled},aformat=sample_fmts=fltp:channel_layouts=stereo[sound]"]


def _rung_arguments(plan: Plan, share: Share, index: int, rung: Rung) -> list[str]:
    group = str(plan.group)
    return [
        *("-map", f"[r{index}]", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(_CRF)),
        *("-maxrate", str(rung.max_bitrate), "-bufsize", str(2 * rung.max_bitrate)),
        *("-g", group, "-keyint_min", group, "-sc_threshold", "0", "-bf", "3", "-x264-params", "open-gop=0"),
        *("-fps_mode", "passthrough", "-threads", str(plan.threads)),
        *_hls_arguments(plan, share, rung.name, f"video_track_timescale={plan.timescale}:movflags=+frag_discont"),
    ]


def _audio_arguments(plan: Plan, share: Share) -> list[str]:
    return [
        *("-map", "[sound]", "-c:a", "aac", "-profile:a", "aac_low", "-b:a", str(_AUDIO_BITRATE), "-ac", "2"),
        *_hls_arguments(plan, share, AUDIO, ""),
    ]


def _hls_arguments(plan: Plan, share: Share, name: str, segment_options: str) -> list[str]:
    folder = f"{OUTPUT}/hls/{name}"
    length = plan.segment_microseconds / 1_000_000
    number = share.chunk.first // plan.segment if share.chunk else 0
    return [
        *_BARE,
        *("-t", f"{plan.probe.facts.duration_seconds + _SPARE_SECONDS:.3f}", "-avoid_negative_ts", "disabled"),
        *("-f", "hls", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-hls_time", f"{length:.6f}"),
        *("-hls_flags", "independent_segments", "-hls_fmp4_init_filename", f"{share.names}{INIT}"),
        *("-start_number", str(number), "-hls_segment_filename", f"{folder}/{share.names}%05d.m4s"),
        *(("-hls_segment_options", segment_options) if segment_options else ()),
        f"{folder}/{PLAYLIST}",
    ]


def mp4_arguments(playlists: Sequence[str]) -> list[str]:
    """A copy of the first playlist's pictures and, where there are two, the second's sound."""
    inputs = [
        word
        for address in playlists
        for word in ("-protocol_whitelist", protocols_for(address), "-f", "hls", "-i", address)
    ]
    maps = [word for number in range(len(playlists)) for word in ("-map", f"{number}:0")]
    return [*QUIET, "-copyts", *inputs, *maps, *_BARE, "-c", "copy", "-movflags", "+faststart", "-f", "mp4", MP4]


def poster_arguments(duration: float, video: str) -> list[str]:
    """A picture of an MP4, or of a playlist."""
    position = duration * _POSTER_POSITION if duration > 1 else 0.0
    demuxer = "hls" if video.endswith(PLAYLIST) else "mov"
    return [
        *QUIET,
        *("-ss", f"{position:.3f}", "-protocol_whitelist", protocols_for(video), "-f", demuxer, "-i", video),
        *("-frames:v", "1", "-vf", f"scale='min({_POSTER_WIDTH},iw)':-2:out_range=full,format=yuvj420p", "-q:v", "3"),
        *("-f", "image2", "-update", "1", POSTER),
    ]
