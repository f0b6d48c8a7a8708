"""Tracks of text that a source brings along. Their names were typed by somebody: here they become harmless."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from vodstack_worker.codecs import CAPTION_CODECS

if TYPE_CHECKING:
    from av.subtitles.codeccontext import SubtitleCodecContext
    from av.subtitles.stream import SubtitleStream

MOST_TRACKS = 16
UNKNOWN_LANGUAGE = "und"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_LABEL_CHARACTERS = 80
# With the number that tells it from its namesakes.
LONGEST_LABEL = _LABEL_CHARACTERS + 3
_FORCED = 1 << 6  # libavformat's AV_DISPOSITION_FORCED; the worker's own process does without PyAV
_UNFIT = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
# Containers name languages by ISO 639-2, players by its two letters where there are any (BCP 47).
_PAIRS = """
afr:af alb:sq amh:am ara:ar arm:hy aze:az baq:eu bel:be ben:bn bos:bs bul:bg bur:my cat:ca ces:cs chi:zh cmn:zh cym:cy
cze:cs dan:da deu:de dut:nl ell:el eng:en epo:eo est:et eus:eu fas:fa fin:fi fra:fr fre:fr geo:ka ger:de gle:ga glg:gl
gre:el guj:gu heb:he hin:hi hrv:hr hun:hu hye:hy ice:is ind:id isl:is ita:it jpn:ja kan:kn kat:ka kaz:kk khm:km kor:ko
kur:ku lao:lo lat:la lav:lv lit:lt mac:mk mal:ml mar:mr may:ms mkd:mk mon:mn msa:ms mya:my nep:ne nld:nl nob:nb nor:no
nno:nn pan:pa per:fa pol:pl por:pt ron:ro rum:ro rus:ru sin:si slk:sk slo:sk slv:sl som:so spa:es sqi:sq srp:sr swa:sw
swe:sv tam:ta tel:te tgl:tl tha:th tur:tr ukr:uk urd:ur uzb:uz vie:vi wel:cy yid:yi zho:zh zul:zu
"""
_SHORT_LANGUAGES = {three: two for three, _, two in (pair.partition(":") for pair in _PAIRS.split())}


class CaptionTrack(Struct, frozen=True, kw_only=True):
    """Where a track of text lies in the source. `language` is a BCP 47 tag; `label` is unlike every other track's."""

    index: int
    language: str
    label: str
    forced: bool


@dataclass(frozen=True, kw_only=True)
class CaptionFile:
    """A track as WebVTT; `name` is what its file and its playlist are called."""

    track: CaptionTrack
    name: str
    size_bytes: int


def find_tracks(streams: "Sequence[SubtitleStream]") -> tuple[list[CaptionTrack], int]:
    """Tracks that can become WebVTT, and how many others there are: pictures, codecs unknown, and more than enough."""
    found: list[CaptionTrack] = []
    for stream in streams:
        # A stream without a decoder comes without a context, whatever PyAV's types say.
        context = cast("SubtitleCodecContext | None", stream.codec_context)
        if context is None or context.codec.canonical_name not in CAPTION_CODECS or len(found) == MOST_TRACKS:
            continue
        words = {key.lower(): value for key, value in stream.metadata.items()}
        language = clean_language(words.get("language", ""))
        label = clean_label(words.get("title") or words.get("name") or "", language, {each.label for each in found})
        forced = bool(int(stream.disposition) & _FORCED)
        found.append(CaptionTrack(index=stream.index, language=language, label=label, forced=forced))
    return found, len(streams) - len(found)


def clean_language(text: str) -> str:
    """The tag in its shortest form; `und` for what is none."""
    if not _LANGUAGE.fullmatch(text):
        return UNKNOWN_LANGUAGE
    primary, *rest = text.split("-")
    return "-".join([_SHORT_LANGUAGES.get(primary.lower(), primary.lower()), *rest])


def clean_label(text: str, language: str, taken: Collection[str], *, otherwise: str = "Captions") -> str:
    """The title, fit for a playlist's quoted string; the language where there is none, `otherwise` without either."""
    label = fit_for_quotes(text).strip()[:_LABEL_CHARACTERS].strip()
    label = label or (language if language != UNKNOWN_LANGUAGE else otherwise)
    numbered = (f"{label} {number}" for number in range(2, MOST_TRACKS + 2))
    return label if label not in taken else next(each for each in numbered if each not in taken)


def fit_for_quotes(text: str) -> str:
    """Return the text without what ends a playlist's quoted string or its line."""
    fit = "".join(character for character in text if unicodedata.category(character) not in _UNFIT)
    return fit.replace('"', "'")
