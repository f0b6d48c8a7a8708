"""Codecs that cameras, phones, editors and recorders write. What is not named here is never decoded."""

_DECODERS_OF = {
    "h264": (),
    "hevc": (),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libdav1d", "libaom-av1"),
    "mpeg4": (),
    "msmpeg4v1": (),
    "msmpeg4v2": (),
    "msmpeg4v3": ("msmpeg4",),
    "mpeg1video": (),
    "mpeg2video": (),
    "h263": (),
    "flv1": ("flv",),
    "wmv1": (),
    "wmv2": (),
    "wmv3": (),
    "vc1": (),
    "theora": (),
    "prores": (),
    "dnxhd": (),
    "cfhd": (),
    "mjpeg": (),
    "dvvideo": (),
    "ffv1": (),
    "huffyuv": (),
    "utvideo": (),
    "qtrle": (),
    "png": (),
    "rawvideo": (),
    "v210": (),
}
_AUDIO_DECODERS_OF = {
    "aac": (),
    "aac_latm": (),
    "mp1": (),
    "mp2": ("mp2float",),
    "mp3": ("mp3float",),
    "opus": ("libopus",),
    "vorbis": ("libvorbis",),
    "ac3": (),
    "eac3": (),
    "dts": ("dca",),
    "truehd": (),
    "flac": (),
    "alac": (),
    "amr_nb": ("amrnb",),
    "amr_wb": ("amrwb",),
    "speex": (),
    "nellymoser": (),
    "adpcm_ima_qt": (),
    "adpcm_ima_wav": (),
    "adpcm_ms": (),
    "adpcm_swf": (),
    "wmav1": (),
    "wmav2": (),
    "wmapro": (),
    "wmalossless": (),
    **{
        f"pcm_{form}": ()
        for form in (
            *("u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "s64le", "s64be"),
            *("f32le", "f32be", "f64le", "f64be", "alaw", "mulaw", "bluray", "dvd"),
        )
    },
}
_CAPTION_DECODERS_OF = {
    "subrip": ("srt",),
    "webvtt": (),
    "mov_text": (),
    "ass": ("ssa",),
    "text": (),
}

VIDEO_CODECS = frozenset(_DECODERS_OF)
AUDIO_CODECS = frozenset(_AUDIO_DECODERS_OF)
CAPTION_CODECS = frozenset(_CAPTION_DECODERS_OF)
CODEC_WHITELIST = ",".join(
    decoder for codec, others in (_DECODERS_OF | _AUDIO_DECODERS_OF).items() for decoder in (codec, *others)
)
CAPTION_WHITELIST = ",".join(decoder for codec, others in _CAPTION_DECODERS_OF.items() for decoder in (codec, *others))
