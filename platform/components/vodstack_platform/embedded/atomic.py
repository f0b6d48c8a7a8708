"""Requests to DynamoDB one at a time: moto looks at a condition and writes in two steps, between which others write."""

import threading
from collections.abc import Iterable
from io import BytesIO

from vodstack_platform.embedded.presigned import Application, Environ, StartResponse


class AtomicTables:
    """WSGI middleware."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Whoever is slow to send a request keeps nobody from their turn."""
        if not str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith("DynamoDB_"):
            return self._application(environ, start_response)
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        with self._turn:
            return list(self._application(environ, start_response))
