"""One resource about to be made, as those see it who make it or compute what a provider would answer."""

import functools
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from vodstack_platform.embedded.emulator import ACCOUNT_ID, aws_client

Outputs = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Creation:
    """`provider_inputs` are those of the provider that the resource names."""

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any] = field(repr=False)
    provider_inputs: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    region: str
    endpoint: str | None = None
    find: Callable[[str], Mapping[str, Any]] = field(repr=False)
    """The outputs of the resource that has this URN or id; empty if none has."""

    @property
    def suffix(self) -> str:
        """What Pulumi's autonaming appends; the same in every run of the same stack."""
        return hashlib.sha256(self.urn.encode()).hexdigest()[:7]

    def physical_name(self, key: str = "name") -> str:
        """The name a program gave, or one made of its prefix or the resource's name."""
        given = self.inputs.get(key)
        if isinstance(given, str) and given:
            return given
        prefix = self.inputs.get(f"{key}Prefix")
        return f"{prefix}{self.suffix}" if isinstance(prefix, str) and prefix else f"{self.name}-{self.suffix}"

    def identifier(self, prefix: str) -> str:
        """An id as EC2 gives them: `vpc-0a1b...`."""
        return f"{prefix}-{hashlib.sha256(self.urn.encode()).hexdigest()[:17]}"

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        return f"arn:aws:{service}:{self.region if regional else ''}:{ACCOUNT_ID}:{resource}"

    @property
    def tags(self) -> dict[str, str]:
        """The resource's tags over the provider's default ones."""
        defaults = self.provider_inputs.get("defaultTags")
        shared = cast("dict[str, Any]", defaults).get("tags") if isinstance(defaults, dict) else None
        return {**cast("dict[str, str]", shared or {}), **cast("dict[str, str]", self.inputs.get("tags") or {})}

    def client(self, service: str) -> Any:
        if self.endpoint is None:
            raise AssertionError("only a creation that has an emulator behind it has clients")
        with _CLIENTS:
            return _shared_client(service, self.endpoint, self.region)


# Making a client costs more than all its calls, and sessions are not safe to make one with from several threads.
_CLIENTS = threading.Lock()
_shared_client = functools.cache(aws_client)
