"""How much may be under way in this process at a time, and how much of it for one client."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from vodstack_app.errors import TooManyAtOnceError, UnavailableError


class Places:
    """A bounded number of places, of which one client gets some."""

    def __init__(self, what: str, done: str, limit: int, limit_of_one: int) -> None:
        self._what = what
        self._done = done
        self._limit = limit
        self._limit_of_one = limit_of_one
        self._taken: Counter[str] = Counter()

    def require(self, client: str) -> None:
        """Raise UnavailableError where every place is taken, TooManyAtOnceError where this client has its share."""
        if self._taken.total() >= self._limit:
            raise UnavailableError(f"{self._limit} {self._what} are {self._done} at a time. Try again in a moment.")
        if self._taken[client] >= self._limit_of_one:
            raise TooManyAtOnceError(
                f"{self._limit_of_one} {self._what} of one client are {self._done} at a time. "
                "Try again once one of yours has ended."
            )

    @contextmanager
    def taken(self, client: str) -> Generator[None]:
        """Hold a place. Raises as `require` does."""
        self.require(client)
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
