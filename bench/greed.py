"""An owner as greedy as can be: slow bodies, held connections, requests without a pause, and films by the dozen."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

CREATED = 201
SLOW_BODIES = 40
HELD = 200
ASKING = 4
BYTE_SECONDS = 5.0
# Not the other owner's, for connections are limited by address. All of 127.0.0.0/8 is Linux's own machine.
ADDRESS = "127.0.0.2"
FILM_PAUSE_SECONDS = 0.2


class Greed:
    """What it does goes on until it is stopped; `met` counts what came of it."""

    def __init__(self, url: str, token: str, film: Path, films: int) -> None:
        self.met: Counter[str] = Counter()
        self._url = url
        self._token = token
        self._film = film
        self._films = films
        self._stop = threading.Event()
        self._uploaded = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def at_work(self) -> Generator[None]:
        doing: list[Callable[[], None]] = [*[self._ask] * ASKING]
        doing += [self._send_slowly] * SLOW_BODIES + [self._hold] * HELD
        threads = [threading.Thread(target=self._then, args=(each,), daemon=True) for each in doing]
        threads.append(threading.Thread(target=self._upload_films, daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _count(self, what: str) -> None:
        with self._lock:
            self.met[what] += 1

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._token}"}
        transport = httpx.HTTPTransport(local_address=ADDRESS)
        return httpx.Client(base_url=self._url, headers=headers, timeout=60, transport=transport)

    def _then(self, do: Callable[[], None]) -> None:
        """Do the rest once the films are uploaded, for it would take the places and the requests that they need."""
        self._uploaded.wait()
        do()

    def _upload_films(self) -> None:
        body = self._film.read_bytes()
        with self._client() as client:
            uploaded = 0
            while uploaded < self._films and not self._stop.wait(FILM_PAUSE_SECONDS):
                with suppress(httpx.HTTPError):
                    status = client.post("/videos", files={"file": ("film.mp4", body)}).status_code
                    self._count(f"films answered {status}")
                    uploaded += status == CREATED
        self._uploaded.set()

    def _ask(self) -> None:
        with self._client() as client:
            while not self._stop.is_set():
                with suppress(httpx.HTTPError):
                    self._count(f"reads answered {client.get('/videos').status_code}")

    def _send_slowly(self) -> None:
        """A body of which a byte comes now and then."""
        form = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        head = self._head("POST /videos", f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {10**6}")
        self._drip(head + form.encode(), "slow bodies")

    def _hold(self) -> None:
        """A body that was announced and does not come."""
        head = self._head("POST /uploads", "Content-Type: application/json\r\nContent-Length: 1000")
        self._drip(head + b"{", "held connections")

    def _head(self, request: str, more: str) -> bytes:
        host = urlsplit(self._url).netloc
        return f"{request} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self._token}\r\n{more}\r\n\r\n".encode()

    def _drip(self, first: bytes, what: str) -> None:
        """Send on for as long as somebody listens, then begin again."""
        address = urlsplit(self._url)
        while not self._stop.is_set():
            with suppress(OSError), self._connect(address.hostname or "", address.port or 80) as line:
                line.sendall(first)
                self._count(f"{what} begun")
                line.settimeout(BYTE_SECONDS)
                self._feed(line, what)
            self._stop.wait(1)

    def _connect(self, host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), source_address=(ADDRESS, 0))

    def _feed(self, line: socket.socket, what: str) -> None:
        while not self._stop.is_set():
            try:
                answer = line.recv(64)
            except TimeoutError:
                line.sendall(b"x")
                continue
            status = answer.partition(b" ")[2][:3].decode(errors="replace") if answer else "nothing"
            self._count(f"{what} answered {status}")
            return
