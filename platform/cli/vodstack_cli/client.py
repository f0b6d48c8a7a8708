"""A client of the REST API."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx
import msgspec
from msgspec import Struct, field

from vodstack_cli.direct import DirectUpload, Notice, Progress, UploadState, Words, state_directory
from vodstack_cli.errors import ApiError, CommandError, VideoFailedError
from vodstack_contracts.videos import Status

_CONTENT_TYPES = {".mov": "video/quicktime", ".mkv": "video/x-matroska", ".webm": "video/webm", ".ts": "video/mp2t"}
_ADDRESS = re.compile(r"https?://[^\s/?#\[\]]+(/[^\s?#]*)?|https?://\[[0-9a-fA-F:.]+\](:[0-9]+)?(/[^\s?#]*)?")
# What the API serves below its root, where people copy the address from.
_OWN_PATH = re.compile(r"/(videos|uploads|docs|openapi\.json|livez|readyz|metrics)(/.*)?$")
_NOWHERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_TOKEN = re.compile(r"[!-~]+")
WAITS = 3
LONGEST_WAIT_SECONDS = 60.0
_FINAL = {Status.READY, Status.FAILED}


class Problem(Struct):
    """A problem detail (RFC 9457)."""

    title: str = ""
    detail: str = ""


class Failure(Struct):
    """Why a video is `failed`."""

    code: str
    message: str


class VideoWarning(Struct):
    """What of the original is not in a `ready` video, and why."""

    code: str
    message: str


class Rendition(Struct, rename="camel"):
    """One encoded size of a video; `bitrate` in bits a second."""

    name: str
    width: int
    height: int
    bitrate: int
    size_bytes: int
    codecs: str


class Playback(Struct):
    """The API's URLs for a player, which stay."""

    hls: str
    mp4: str
    poster: str


class Video(Struct, rename="camel"):
    """A video as the API shows it."""

    video_id: str
    status: Status
    title: str = ""
    progress: float = 0.0
    stage: str | None = None
    error: Failure | None = None
    warnings: list[VideoWarning] = field(default_factory=list[VideoWarning])
    renditions: list[Rendition] = field(default_factory=list[Rendition])
    playback: Playback | None = None


class _Created(Struct, rename="camel"):
    video_id: str


class Client:
    """Talks to one API. Every method raises ApiError with the API's own sentence."""

    def __init__(self, url: str, *, token: str | None = None, timeout_seconds: float = 60) -> None:
        if not _ADDRESS.fullmatch(url):
            raise CommandError(f"{url!r} is no address of an API: give one such as https://videos.example.com")
        headers = {"Authorization": f"Bearer {_checked(token)}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def upload(self, path: Path, *, title: str = "", tags: Sequence[str] = (), progress: Progress | None = None) -> str:
        """Uploads the file and returns the new video's id. `progress` is told bytes sent and bytes in all."""
        with path.open("rb") as source:
            body = _Watched(source, path.stat().st_size, progress) if progress else source
            response = self._request(
                "POST",
                "/videos",
                data={"title": title, "tags": list(tags)},
                files={"file": (path.name, body, _content_type(path))},
            )
        return msgspec.json.decode(response, type=_Created).video_id

    def upload_direct(
        self,
        path: Path,
        *,
        title: str = "",
        tags: Sequence[str] = (),
        progress: Progress | None = None,
        notice: Notice | None = None,
        state_folder: Path | None = None,
    ) -> str:
        """Likewise, straight to the bucket in parts; after an interruption the same call sends only what is missing.

        Another title or other tags than at first change those of the video; `notice` is told so in a sentence.
        """
        if not path.stat().st_size:
            raise CommandError(f"{path.name} is empty")
        state = UploadState(state_folder or state_directory(), str(self._http.base_url), path)
        upload = DirectUpload(self._request, path, state, progress, notice)
        return upload.run(_content_type(path), Words(title, list(tags)))

    def get(self, video_id: str) -> Video:
        return msgspec.json.decode(self._request("GET", f"/videos/{video_id}"), type=Video)

    def watch(self, video_id: str, *, every_seconds: float = 0.25) -> Iterator[Video]:
        """The video again and again until it is `ready`. Raises VideoFailedError once it is `failed`."""
        while True:
            video = self.get(video_id)
            if video.status is Status.FAILED and video.error:
                raise VideoFailedError(f"the video failed: {video.error.message}", video.error.code)
            yield video
            if video.status in _FINAL:
                return
            time.sleep(every_seconds)

    def download(self, url: str) -> bytes:
        """What a player gets from one of `Playback`'s URLs, redirects followed."""
        return self._request("GET", url)

    def _request(self, method: str, url: str, **options: object) -> bytes:
        """What the API answers, once it does not ask to be left in peace for a while."""
        response = self._ask(method, url, options)
        for _ in range(WAITS):
            if response.status_code != HTTPStatus.TOO_MANY_REQUESTS or "files" in options:
                break
            time.sleep(_wait_seconds(response))
            response = self._ask(method, url, options)
        if response.is_error:
            sentence = f"{self._misplaced(response)}{_explained(response)}"
            raise ApiError(sentence, response.status_code, _wait_seconds(response))
        return response.content

    def _misplaced(self, response: httpx.Response) -> str:
        """What to give instead of an address below the API's root, where that is why there is nothing to post to."""
        given = str(self._http.base_url).rstrip("/")
        root = _OWN_PATH.sub("", given)
        is_nowhere = response.request.method == "POST" and response.status_code in _NOWHERE
        return (
            f"{given} is not the API's root address: give {root}. It answered " if is_nowhere and root != given else ""
        )

    def _ask(self, method: str, url: str, options: Mapping[str, object]) -> httpx.Response:
        try:
            return self._http.request(method, url, **options)  # pyright: ignore[reportArgumentType]
        except httpx.HTTPError as error:
            raise ApiError(f"the API at {self._http.base_url} does not answer: {error}") from error


def _checked(token: str) -> str:
    # A file's last line end comes along in `$(cat token)` of some shells and in variables of many a CI.
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise CommandError("the access token has characters that no token has: give it as its issuer gave it")
    return token


def _wait_seconds(response: httpx.Response) -> float:
    given = response.headers.get("Retry-After", "")
    return min(LONGEST_WAIT_SECONDS, float(given)) if given.isascii() and given.isdigit() else 1.0


def _content_type(path: Path) -> str:
    return _CONTENT_TYPES.get(path.suffix.lower(), "video/mp4")


def _explained(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        problem = Problem()
    return f"{response.status_code} {problem.title or response.reason_phrase}: {problem.detail}".rstrip(": ")


class _Watched:
    """A file that reports how much of it has been read; it rewinds, as httpx may ask it to."""

    def __init__(self, source: BinaryIO, size: int, progress: Progress) -> None:
        self._source = source
        self._size = size
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        self._progress(self._source.tell(), self._size)
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def fileno(self) -> int:
        return self._source.fileno()

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(1 << 16):
            yield block
