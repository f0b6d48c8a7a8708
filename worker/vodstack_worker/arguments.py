"""Ffmpeg's arguments: fixed words and numbers of ours, nothing that a client wrote."""

from collections.abc import Sequence

from vodstack_worker.codecs import CODEC_WHITELIST
from vodstack_worker.colours import jpeg_filters
from vodstack_worker.confine import WRITABLE
from vodstack_worker.containers import DEMUXER_OPTIONS, DEMUXERS, PROTOCOLS
from vodstack_worker.filters import filter_graphs
from vodstack_worker.jumps import Corrections
from vodstack_worker.ladder import Rung
from vodstack_worker.plans import Plan, Share
from vodstack_worker.probed import ANALYZE_MICROSECONDS, MAX_PIXELS, MAX_STREAMS

OUTPUT = WRITABLE
PLAYLIST = "index.m3u8"
INIT = "init.mp4"
MP4 = f"{OUTPUT}/video.mp4"
POSTER = f"{OUTPUT}/poster.jpg"
QUIET = ("-nostdin", "-hide_banner", "-v", "error", "-y")
# What was decoded, and what the grid took of it, is told with all else; each line begins with its level.
LOGGED = ("-nostdin", "-hide_banner", "-v", "level+verbose", "-y")

_AUDIO_BITRATE = 128_000
_CRF = 23
_MAX_ALLOCATION_BYTES = 512 * 1024**2
_POSTER_WIDTH = 1280
_POSTER_POSITION = 0.1
_SPARE_SECONDS = 60.0
_BARE = ("-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")


def folders_of(plan: Plan, share: Share) -> list[str]:
    """Names of the renditions that a run writes."""
    rungs = [rung.name for rung in plan.rungs] if share.video else []
    return [*rungs, *(plan.audio_names if share.audio else ())]


def encode_arguments(plan: Plan, share: Share, cpu_seconds: int) -> list[str]:
    rungs = enumerate(plan.rungs if share.video else ())
    return [
        *LOGGED,
        *("-progress", "pipe:1", "-stats_period", "1"),
        # How much is damaged is judged by what was made.
        *("-max_error_rate", "1"),
        *("-max_alloc", str(_MAX_ALLOCATION_BYTES), "-timelimit", str(cpu_seconds)),
        *("-filter_complex_threads", str(plan.threads)),
        *input_arguments(plan, share),
        *(word for graph in filter_graphs(plan, share) for word in ("-filter_complex", graph)),
        *(word for index, rung in rungs for word in _rung_arguments(plan, share, index, rung)),
        *(word for name in (plan.audio_names if share.audio else ()) for word in _audio_arguments(plan, share, name)),
    ]


def clock_arguments(plan: Plan, share: Share) -> list[str]:
    """The source's own clock, set back to where the grid begins, with its jumps corrected; or else ffmpeg's."""
    if share.own_clock:
        return []
    probe = plan.probe
    tracks = [(probe.video_index, probe.corrections), *((track.index, track.corrections) for track in probe.audios)]
    return [
        *("-copyts", "-itsoffset", f"{-probe.grid.origin:.9f}"),
        *(word for index, found in tracks if found.pieces for word in (f"-bsf:{index}", _shift(found))),
    ]


def _shift(corrections: Corrections) -> str:
    """The bitstream filter that adds each piece's seconds to a packet's timestamps."""
    before, terms = 0.0, ""
    for packet, seconds in corrections.pieces:
        terms += f"+gte(N\\,{packet})*({seconds - before:.6f})"
        before = seconds
    moved = {stamp: f"if(eq({stamp}\\,NOPTS)\\,NOPTS\\,{stamp}+({terms})/TB)" for stamp in ("PTS", "DTS")}
    return f"setts=pts={moved['PTS']}:dts={moved['DTS']}"


def protocols_for(address: str) -> str:
    return PROTOCOLS if address.startswith("http://") else "file"


def input_arguments(plan: Plan, share: Share) -> list[str]:
    probe, chunk = plan.probe, share.chunk
    search = ["-probesize", str(probe.probe_bytes), "-analyzeduration", str(ANALYZE_MICROSECONDS)]
    seek = ["-noaccurate_seek", "-ss", f"{chunk.seek:.6f}"] if chunk and chunk.seek is not None else []
    return [
        *("-protocol_whitelist", protocols_for(share.source), "-format_whitelist", DEMUXERS[probe.demuxer]),
        *("-codec_whitelist", CODEC_WHITELIST),
        *("-max_pixels", str(MAX_PIXELS), "-max_streams", str(MAX_STREAMS)),
        *(search if probe.probe_bytes else ()),
        *(word for name, value in DEMUXER_OPTIONS.get(probe.demuxer, {}).items() for word in (f"-{name}", value)),
        *("-threads", str(plan.threads)),
        *(("-reinit_filter:" + str(probe.video_index), "0") if probe.upright else ()),
        *clock_arguments(plan, share),
        *seek,
        *("-f", probe.demuxer, "-i", share.source),
    ]


def _rung_arguments(plan: Plan, share: Share, index: int, rung: Rung) -> list[str]:
    group = str(plan.group)
    return [
        *("-map", f"[r{index}]", "-c:v", "libx264", "-preset", "veryfast", "-crf", str(_CRF)),
        *("-maxrate", str(rung.max_bitrate), "-bufsize", str(2 * rung.max_bitrate)),
        *("-g", group, "-keyint_min", group, "-sc_threshold", "0", "-bf", "3", "-x264-params", "open-gop=0"),
        *("-fps_mode", "passthrough", "-threads", str(plan.threads)),
        *_hls_arguments(plan, share, rung.name, f"video_track_timescale={plan.timescale}:movflags=+frag_discont"),
    ]


def _audio_arguments(plan: Plan, share: Share, name: str) -> list[str]:
    return [
        *("-map", f"[{name}]", "-c:a", "aac", "-profile:a", "aac_low", "-b:a", str(_AUDIO_BITRATE), "-ac", "2"),
        *_hls_arguments(plan, share, name, ""),
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


def poster_arguments(plan: Plan, video: str) -> list[str]:
    """A picture of an MP4, or of a playlist."""
    duration = plan.probe.facts.duration_seconds
    filters = jpeg_filters(plan.probe.colours, f"min({_POSTER_WIDTH},iw)", -2)
    position = duration * _POSTER_POSITION if duration > 1 else 0.0
    demuxer = "hls" if video.endswith(PLAYLIST) else "mov"
    return [
        *QUIET,
        *("-ss", f"{position:.3f}", "-protocol_whitelist", protocols_for(video), "-f", demuxer, "-i", video),
        *("-frames:v", "1", "-vf", ",".join(filters), "-q:v", "3"),
        *("-f", "image2", "-update", "1", POSTER),
    ]
