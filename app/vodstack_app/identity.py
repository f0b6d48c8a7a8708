"""Who asks, as far as the videos care: whose the new ones are, and which of the others are in sight."""

from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Identity:
    """One request's. `sees_all` opens what belongs to others, and what belongs to nobody.

    `ends_at` is the epoch second at which the token expires that proves it.
    """

    owner: str
    sees_all: bool = False
    ends_at: float | None = None

    def may_see(self, owner: str | None) -> bool:
        return self.sees_all or owner == self.owner


EVERYBODY = Identity(owner=ANONYMOUS, sees_all=True)


def client_of(request: Request[Any, Any, Any], identity: Identity) -> str:
    """Whose share a request takes: its owner's, or where there are no tokens its address's.

    The address is the connection's, or the one that a proxy in FORWARDED_ALLOW_IPS names.
    """
    if identity is not EVERYBODY:
        return f"owner {identity.owner}"
    return f"address {request.client.host if request.client else ''}"


def provide_identity(request: Request[Any, Any, Any], services: NamedDependency[Any]) -> Identity:
    """Who the gate has found to ask."""
    # Litestar makes what does not depend on each other in a group of tasks, which takes a third of a look's time.
    del services
    return request.state.identity
