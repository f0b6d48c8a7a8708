"""Playlists offer each audio track as what it is, whatever its label says."""

from fractions import Fraction
from xml.etree import ElementTree as ET

from vodstack_contracts.videos import AudioRole
from vodstack_worker.audio_tracks import AudioChoice
from vodstack_worker.dash import manifest
from vodstack_worker.ladder import Rung
from vodstack_worker.playlists import AudioRendition, MediaPlaylist, multivariant

RUNG = Rung(name="240p", width=320, height=240, max_bitrate=400_000)
MPD = {"": "urn:mpeg:dash:schema:mpd:2011"}


def playlist(peak: int) -> MediaPlaylist:
    return MediaPlaylist(init="init.mp4", segments=["0.m4s"], durations=[4.0], size_bytes=peak // 4, peak_bitrate=peak)


VIDEO = [(RUNG, playlist(300_000), "avc1.42c01e")]
AUDIOS = [
    AudioRendition(name=name, choice=AudioChoice(language=language, label=label, role=role), playlist=playlist(peak))
    for name, language, label, role, peak in [
        ("audio", "en", "English", AudioRole.MAIN, 100_000),
        ("audio-1", "de", "Für '<Alle>' &", AudioRole.MAIN, 150_000),
        ("audio-2", "en", "Described", AudioRole.DESCRIPTION, 100_000),
        ("audio-3", "en", "Director", AudioRole.COMMENTARY, 100_000),
        ("audio-4", "en", "Stereo", AudioRole.MAIN, 100_000),
    ]
]


def test_hls_offers_every_audio_track_in_one_group():
    lines = multivariant(VIDEO, AUDIOS, Fraction(25)).splitlines()
    group = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",'
    blind = 'CHARACTERISTICS="public.accessibility.describes-video",'
    assert lines[3:8] == [
        f'{group}NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio/index.m3u8"',
        f'{group}NAME="Für \'<Alle>\' &",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",URI="audio-1/index.m3u8"',
        f'{group}NAME="Described",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,{blind}CHANNELS="2",URI="audio-2/index.m3u8"',
        f'{group}NAME="Director",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="2",URI="audio-3/index.m3u8"',
        f'{group}NAME="Stereo",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="2",URI="audio-4/index.m3u8"',
    ]
    assert lines[8].startswith("#EXT-X-STREAM-INF:BANDWIDTH=450000,AVERAGE-BANDWIDTH=225000,")
    assert lines[8].endswith(',CODECS="avc1.42c01e,mp4a.40.2",AUDIO="audio"')


def test_dash_has_a_set_for_every_audio_track():
    root = ET.fromstring(manifest(VIDEO, AUDIOS, Fraction(25)))  # noqa: S314 - our own
    sets = root.findall("Period/AdaptationSet[@contentType='audio']", MPD)
    assert [(each.get("id"), each.get("lang"), each.findtext("Label", "", MPD)) for each in sets] == [
        ("1", "en", "English"),
        ("2", "de", "Für '<Alle>' &"),
        ("3", "en", "Described"),
        ("4", "en", "Director"),
        ("5", "en", "Stereo"),
    ]
    roles = [[role.get("value") for role in each.findall("Role", MPD)] for each in sets]
    assert roles == [["main"], ["alternate"], ["description"], ["commentary"], ["alternate"]]
    assert [len(each.findall("Accessibility", MPD)) for each in sets] == [0, 0, 1, 0, 0]
    names = [each.find("Representation", MPD).get("id") for each in sets]  # pyright: ignore[reportOptionalMemberAccess]
    assert names == ["audio", "audio-1", "audio-2", "audio-3", "audio-4"]


def test_a_track_that_is_not_named_has_no_language_and_a_commentary_alone_is_the_default():
    unnamed = AudioRendition(name="audio", choice=AudioChoice(role=AudioRole.COMMENTARY), playlist=playlist(100_000))
    (line,) = [line for line in multivariant(VIDEO, [unnamed], Fraction(25)).splitlines() if "TYPE=AUDIO" in line]
    assert 'NAME="Audio",DEFAULT=YES,AUTOSELECT=YES,' in line
    root = ET.fromstring(manifest(VIDEO, [unnamed], Fraction(25)))  # noqa: S314 - our own
    (found,) = root.findall("Period/AdaptationSet[@contentType='audio']", MPD)
    assert found.get("lang") is None
    assert [role.get("value") for role in found.findall("Role", MPD)] == ["main", "commentary"]
