"""A video from its encoded chunks: playlists over what lies in the bucket, poster and thumbnails, the MP4 by copy."""

import asyncio
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from vodstack_contracts.objects import MP4, original_key, rendition_key
from vodstack_contracts.videos import VideoWarning
from vodstack_worker.arguments import INIT, PLAYLIST
from vodstack_worker.caption_tracks import CaptionFile
from vodstack_worker.captions import make_captions
from vodstack_worker.chunk_table import Standing
from vodstack_worker.completeness import audio_warnings, require_audio, require_frames
from vodstack_worker.errors import FallBackError
from vodstack_worker.filters import AUDIO_RATE
from vodstack_worker.media_process import Limits
from vodstack_worker.playlists import AudioRendition, MediaPlaylist, measured
from vodstack_worker.probed import SOURCE
from vodstack_worker.progressive import Tracks, join_mp4
from vodstack_worker.publish import Published, describe_output, find_published, open_upload
from vodstack_worker.relay import Relay, StoredObject
from vodstack_worker.thumbnails import make_thumbnails
from vodstack_worker.tool_files import INIT_BYTES, JobFiles
from vodstack_worker.transcode import make_poster
from vodstack_worker.work import Work

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

# Of the way from encoded to published. What is left to send is small.
_JOINED = 0.9


@dataclass(frozen=True, kw_only=True)
class _Rendition:
    """One rendition's files in the bucket, their playlist, and the content of the init segment."""

    name: str
    init: bytes
    files: dict[str, StoredObject]
    playlist: MediaPlaylist


class Assembly:
    """Reads the chunks' segments where they lie; of what it makes, nothing that lies in scratch grows with the film."""

    def __init__(self, s3: "S3Client", bucket: str, standing: Standing, limits: Limits) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._made = standing.plan
        self._results = standing.results
        self._limits = limits

    async def run(self, folder: Path, work: Work) -> Published:
        """Send the MP4 and write below `folder` what else is missing.

        Raises FallBackError, GiveUpError, IncompleteError or RetryError.
        """
        plan, video_id = self._made.plan, self._made.video_id
        self._require_alike()
        stored = await find_published(self._s3, self._bucket, video_id)
        lengths = self._picture_lengths()
        rungs = [await self._rendition(rung.name, lengths, stored) for rung in plan.rungs]
        heard = self._results[self._made.sound_number].lengths if self._made.sound_number is not None else []
        sounds = [await self._rendition(name, heard, stored) for name in plan.audio_names]
        self._require_complete()
        every = [*rungs, *sounds]
        relay = Relay(dict(chain.from_iterable(_served(rendition) for rendition in every)))
        await self._make_pictures(folder, rungs, relay)
        captions = await self._captions(folder)
        size = await self._join(folder, [rungs[0], *sounds[:1]], relay, work)
        pictures = [each.playlist for each in rungs]
        audios = [
            AudioRendition(name=each.name, choice=track.choice, playlist=each.playlist)
            for each, track in zip(sounds, plan.probe.audios, strict=True)
        ]
        return await asyncio.to_thread(
            describe_output,
            JobFiles(folder),
            plan,
            video_id,
            pictures,
            audios,
            inits=[each.init for each in rungs],
            mp4_size_bytes=size,
            captions=captions,
        )

    async def _make_pictures(self, folder: Path, rungs: list[_Rendition], relay: Relay) -> None:
        plan, largest, smallest = self._made.plan, rungs[0], rungs[-1]
        await make_poster(folder, plan, self._limits, relay.url(f"{largest.name}/{PLAYLIST}"), relay=relay)
        address = relay.url(f"{smallest.name}/{PLAYLIST}")
        await make_thumbnails(folder, plan, self._limits, address, smallest.playlist.duration, relay=relay)
        relay.require_whole()

    async def _join(self, folder: Path, every: list[_Rendition], relay: Relay, work: Work) -> int:
        """The MP4 of a rendition of video, and one of audio where there is any, past all scratch; gives its size."""
        tracks = Tracks(
            addresses=[relay.url(f"{each.name}/{PLAYLIST}") for each in every],
            frames=sum(self._results[chunk.number].frames for chunk in self._made.chunks),
            seconds=max(each.playlist.duration for each in every),
            size_bytes=sum(each.playlist.size_bytes for each in every),
        )
        key = rendition_key(self._made.video_id, MP4)
        work.keys.append(key)
        async with open_upload(self._s3, self._bucket, key) as upload:
            size = await join_mp4(
                upload,
                tracks,
                folder,
                self._limits,
                relay=relay,
                on_progress=lambda fraction: work.advance(_JOINED * fraction),
            )
        work.count_bytes("out", size)
        return size

    async def _captions(self, folder: Path) -> list[CaptionFile]:
        """Read from the original, for what they were cut from is nowhere else."""
        made = self._made
        original = StoredObject(
            s3=self._s3, bucket=self._bucket, key=original_key(made.video_id), size=made.size, etag=made.etag
        )
        relay = Relay({SOURCE: original})
        captions = await make_captions(folder, made.plan, self._limits, relay.url(SOURCE), relay=relay)
        relay.require_whole()
        return captions

    def _require_complete(self) -> None:
        """Raises IncompleteError."""
        plan = self._made.plan
        require_frames(sum(self._results[chunk.number].frames for chunk in self._made.chunks), plan)
        if self._made.sound_number is not None:
            seconds = sum(self._results[self._made.sound_number].lengths)
            require_audio(round(seconds * AUDIO_RATE), plan)

    @property
    def warnings(self) -> list[VideoWarning]:
        """What the chunks' encodes told."""
        return audio_warnings(max(result.lost_seconds for result in self._results.values()))

    def _require_alike(self) -> None:
        """One init segment has to do for all chunks."""
        first = self._results[0].inits
        for chunk in self._made.chunks:
            if self._results[chunk.number].inits != first:
                raise FallBackError(f"chunk {chunk.number} needs other codec parameters than the first")

    def _picture_lengths(self) -> list[float]:
        plan = self._made.plan
        frames = sum(self._results[chunk.number].frames for chunk in self._made.chunks)
        full, rest = divmod(frames, plan.segment)
        counts = [plan.segment] * full + ([rest] if rest else [])
        return [float(count / plan.probe.rate) for count in counts]

    async def _rendition(self, name: str, lengths: list[float], stored: dict[str, StoredObject]) -> _Rendition:
        made = self._made
        names = [f"{made.prefix}{INIT}", *(made.segment_name(number) for number in range(len(lengths)))]
        files: dict[str, StoredObject] = {}
        for each in names:
            file = stored.get(f"{name}/{each}")
            if file is None or file.size == 0:
                raise FallBackError(f"{name}/{each} is missing")
            files[each] = file
        init = files[names[0]]
        sizes = [file.size for file in files.values()]
        return _Rendition(
            name=name,
            init=await init.read(0, min(init.size, INIT_BYTES)),
            files=files,
            playlist=measured(names[0], names[1:], lengths, sizes),
        )


def _served(rendition: _Rendition) -> list[tuple[str, StoredObject | bytes]]:
    """A rendition's files as the relay names them."""
    text = rendition.playlist.text.encode()
    return [
        (f"{rendition.name}/{PLAYLIST}", text),
        *((f"{rendition.name}/{name}", file) for name, file in rendition.files.items()),
    ]
