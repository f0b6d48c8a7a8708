"""Sends a file to the bucket in parts, several at a time, and goes on where an earlier run was cut off.

    state file -> GET /uploads/{id} -> PUT what is missing -> ... -> POST /uploads/{id}/complete

What has arrived is the API's word alone; the state file only remembers which upload is this file's, and its words.
"""

import hashlib
import json
import os
import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from threading import Event, Lock
from typing import cast

import httpx
import msgspec
from msgspec import Struct, field

from vodstack_cli.errors import ApiError, CommandError

Progress = Callable[[int, int], None]
Notice = Callable[[str], None]
Request = Callable[..., bytes]

PARTS_AT_A_TIME = 4
ATTEMPTS_A_PART = 6
FIRST_PAUSE_SECONDS = 0.5
PART_TIMEOUT_SECONDS = 120
# A bucket may take minutes over putting the parts of a film together.
PATIENCE_SECONDS = 900
# Refused, no such place, gone since it was started, or started with other words: the next run begins anew.
_KEY_IS_SPENT = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class Part(Struct, rename="camel"):
    """A part that the bucket lacks, and where to put it."""

    number: int
    size_bytes: int
    url: str


class Upload(Struct, rename="camel"):
    """A direct upload as the API shows it."""

    video_id: str
    complete: bool
    part_size_bytes: int
    arrived: list[int] = field(default_factory=list[int])
    missing: list[Part] = field(default_factory=list[Part])


class Words(Struct, frozen=True):
    """What a run says of the video."""

    title: str = ""
    tags: list[str] = field(default_factory=list[str])

    def given(self) -> dict[str, object]:
        """Those that were given: a run that gives none leaves what an earlier one said."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value}


class Remembered(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An upload that was begun: `key` until its start was answered, `video_id` from then on."""

    video_id: str | None = None
    key: str | None = None
    words: Words = Words()


class UploadState:
    """Remembers, across runs, which upload belongs to a file as it is now."""

    def __init__(self, directory: Path, api_url: str, file: Path) -> None:
        facts = file.stat()
        identity = json.dumps([api_url, str(file.resolve()), facts.st_size, facts.st_mtime_ns])
        self._path = directory / f"{hashlib.sha256(identity.encode()).hexdigest()}.json"

    def read(self) -> Remembered:
        """Nothing where there is no upload, or none that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Remembered)
        except (OSError, msgspec.DecodeError):
            return Remembered()

    def keep(self, known: Remembered) -> None:
        new = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(msgspec.json.encode(known))
            new.replace(self._path)
        except OSError as error:
            raise CommandError(
                f"{self._path.parent}, where uploads are remembered, cannot be written: {error.strerror}. "
                "Set XDG_STATE_HOME to a folder that can"
            ) from error

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def _change(name: str, before: object, after: object) -> str:
    """As in: the title "Dawn" is now "Dusk"."""
    old, new = _shown(before), _shown(after)
    verb = "are" if name == "tags" else "is"
    return f"the {name} {f'{old!r} ' if old else ''}{verb} now {new!r}"


def _shown(value: object) -> str:
    return ", ".join(cast("list[str]", value)) if isinstance(value, list) else str(value)


def state_directory() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "vodstack" / "uploads"


class DirectUpload:
    """One file's way to the bucket. `request` asks the API; parts are put without the API's credentials.

    `notice` is told what a run does to an upload that an earlier one began.
    """

    def __init__(
        self, request: Request, file: Path, state: UploadState, progress: Progress | None, notice: Notice | None
    ) -> None:
        self._request = request
        self._file = file
        self._facts = file.stat()
        self._state = state
        self._progress = progress
        self._notice = notice
        self._sent = 0
        self._lock = Lock()
        self._stopped = Event()

    def run(self, content_type: str, words: Words) -> str:
        """The id of the video."""
        upload = self._resume(words) or self._start(content_type, words)
        self._tell(self._facts.st_size - self._lacking(upload))
        with httpx.Client(timeout=PART_TIMEOUT_SECONDS) as bucket:
            while upload.missing:
                before = len(upload.arrived)
                self._send(bucket, upload)
                upload = self._look(upload.video_id)
                if upload.missing and len(upload.arrived) <= before:
                    raise ApiError("the bucket takes the parts but does not keep them")
        self._require_unchanged()
        if not upload.complete:
            self._ask_patiently("POST", f"/uploads/{upload.video_id}/complete")
        self._state.forget()
        return upload.video_id

    def _resume(self, words: Words) -> Upload | None:
        known = self._state.read()
        if known.video_id is None:
            return None
        try:
            upload = self._look(known.video_id)
        except ApiError as error:
            # Lapsed, aborted or deleted meanwhile: there is nothing to go on with.
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise
            return None
        self._say_anew(known, words)
        return upload

    def _start(self, content_type: str, words: Words) -> Upload:
        known = self._state.read()
        if known.key is None:
            known = Remembered(key=str(uuid.uuid4()), words=words)
            self._state.keep(known)
        # A start whose answer was lost is found again by its key, with the words that it was sent with.
        facts = {"fileName": self._file.name, "sizeBytes": self._facts.st_size, "contentType": content_type}
        description = facts | msgspec.structs.asdict(known.words)
        try:
            answer = self._request("POST", "/uploads", json=description, headers={"Idempotency-Key": known.key})
        except ApiError as error:
            if error.status in _KEY_IS_SPENT:
                self._state.forget()
            raise
        upload = msgspec.json.decode(answer, type=Upload)
        known = Remembered(video_id=upload.video_id, words=known.words)
        self._state.keep(known)
        self._say_anew(known, words)
        return upload

    def _say_anew(self, known: Remembered, words: Words) -> None:
        """Change what an earlier run said of the video to what this one says, and tell so."""
        told = msgspec.structs.asdict(known.words)
        changed = {name: value for name, value in words.given().items() if value != told[name]}
        if not changed:
            return
        self._request("PATCH", f"/videos/{known.video_id}", json=changed)
        self._state.keep(msgspec.structs.replace(known, words=msgspec.structs.replace(known.words, **changed)))
        if self._notice:
            sentences = " and ".join(_change(name, told[name], value) for name, value in changed.items())
            self._notice(f"going on with an upload of {self._file.name} that an earlier run began: {sentences}")

    def _look(self, video_id: str) -> Upload:
        return msgspec.json.decode(self._ask_patiently("GET", f"/uploads/{video_id}"), type=Upload)

    def _ask_patiently(self, method: str, path: str) -> bytes:
        """The answer to what may be asked again, once the bucket is no longer busy with the upload."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._request(method, path)
            except ApiError as error:
                is_busy = error.status == HTTPStatus.SERVICE_UNAVAILABLE
                is_busy = is_busy or isinstance(error.__cause__, httpx.ReadTimeout)
                if not is_busy or time.monotonic() + error.wait_seconds > deadline:
                    raise
                time.sleep(error.wait_seconds)

    def _lacking(self, upload: Upload) -> int:
        if upload.complete:
            return 0
        size, part_bytes = self._facts.st_size, upload.part_size_bytes
        arrived = sum(min(part_bytes, size - (number - 1) * part_bytes) for number in upload.arrived)
        return size - arrived

    def _send(self, bucket: httpx.Client, upload: Upload) -> None:
        with ThreadPoolExecutor(PARTS_AT_A_TIME) as pool:
            sending = [pool.submit(self._send_part, bucket, part, upload.part_size_bytes) for part in upload.missing]
            try:
                for each in sending:
                    each.result()
            except BaseException:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _send_part(self, bucket: httpx.Client, part: Part, part_bytes: int) -> None:
        with self._file.open("rb") as source:
            source.seek((part.number - 1) * part_bytes)
            content = source.read(part.size_bytes)
        if len(content) != part.size_bytes:
            self._require_unchanged()
        fault = ""
        for attempt in range(ATTEMPTS_A_PART):
            if attempt and self._stopped.wait(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1)):  # noqa: S311 - it only spreads load
                return
            try:
                answer = bucket.put(part.url, content=content)
            except httpx.TransportError as error:
                fault = str(error) or type(error).__name__
                continue
            if answer.is_success:
                self._tell(part.size_bytes)
                return
            if answer.status_code == HTTPStatus.FORBIDDEN:
                # The URL's time is over: the next look brings another.
                return
            fault = f"the bucket answered {answer.status_code}"
            if answer.status_code not in _PASSING:
                break
        raise ApiError(f"part {part.number} cannot be sent: {fault}. Run the same again: it goes on from here")

    def _require_unchanged(self) -> None:
        now = self._file.stat()
        if (now.st_size, now.st_mtime_ns) != (self._facts.st_size, self._facts.st_mtime_ns):
            self._state.forget()
            raise CommandError(f"{self._file.name} was changed while it was sent; run the same again to send it anew")

    def _tell(self, sent_bytes: int) -> None:
        with self._lock:
            self._sent += sent_bytes
            if self._progress:
                self._progress(self._sent, self._facts.st_size)
