from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from vodstack_platform.config.section import Section

_RESERVED = ("amazon", "aws", "cognito")


def _unreserved(domain: str) -> str:
    if taken := [word for word in _RESERVED if word in domain]:
        raise ValueError(f"{domain} holds {taken[0]}, which Cognito keeps for itself: choose another name")
    return domain


Domain = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), AfterValidator(_unreserved)]
Scope = Literal["videos:read", "videos:write", "videos:admin"]


class CognitoSettings(Section):
    """A Cognito user pool whose access tokens the API takes (`services.auth: cognito`), with a client for programs."""

    domain: Domain | None = None
    """Start of the address where tokens are got, shared by all of AWS. Without it: the stack's name and the account."""
    machine_scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = ("videos:read", "videos:write")
    """What the client for programs may do."""
    token_minutes: Annotated[int, Field(ge=5, le=1440)] = 60
    """Minutes that an access token is good for."""
    deletion_protection: bool = True
    """Make Cognito itself refuse to delete the pool, whoever asks. Turn it off in an `up` before a `destroy`."""
