"""Bodies that are read into memory as a whole: each in a given time, all of them in so many bytes."""

import asyncio
from collections import Counter
from typing import Any

from litestar import Request
from litestar.exceptions import InternalServerException

from vodstack_app.errors import ClientGoneError, RequestTimeoutError, TooManyAtOnceError, UnavailableError

# Of the memory for all bodies, what one client may fill.
SHARE_OF_ONE = 4


class Documents:
    """Reads them."""

    def __init__(self, seconds: float, memory_bytes: int) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._held: Counter[str] = Counter()

    async def read(self, request: Request[Any, Any, Any], client: str) -> bytes:
        """Return the body. Raises RequestTimeoutError, TooManyAtOnceError, UnavailableError or ClientGoneError."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    self._require_room(client, len(chunk))
                    self._held[client] += len(chunk)
                    body += chunk
        except TimeoutError as error:
            raise RequestTimeoutError(f"The body did not end within {self._seconds:g} seconds.") from error
        except InternalServerException as error:
            raise ClientGoneError("The client went away before its body was complete.") from error
        finally:
            self._held[client] -= len(body)
            if not self._held[client]:
                del self._held[client]
        return bytes(body)

    def _require_room(self, client: str, size_bytes: int) -> None:
        if self._held.total() + size_bytes > self._memory_bytes:
            raise UnavailableError("The bodies that are being sent take as much memory as they may.")
        if self._held[client] + size_bytes > self._memory_bytes // SHARE_OF_ONE:
            raise TooManyAtOnceError("The bodies that you are sending take as much memory as they may. Send fewer.")
