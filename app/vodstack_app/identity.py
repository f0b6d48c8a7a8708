"""Who asks, as far as the videos care: whose the new ones are, and which of the others are in sight."""

from dataclasses import dataclass
from typing import Any

from litestar import Request

ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Identity:
    """One request's. `sees_all` opens what belongs to others, and what belongs to nobody."""

    owner: str
    sees_all: bool = False

    def may_see(self, owner: str | None) -> bool:
        return self.sees_all or owner == self.owner


EVERYBODY = Identity(owner=ANONYMOUS, sees_all=True)


def provide_identity(request: Request[Any, Any, Any]) -> Identity:
    """Who the gate has found to ask."""
    return request.state.identity
