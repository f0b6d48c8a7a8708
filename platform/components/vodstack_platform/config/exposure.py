from typing import Annotated, Literal

from pydantic import Field, model_validator

from vodstack_platform.config.cluster import WORLD, CidrBlock
from vodstack_platform.config.section import Section

HostName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", max_length=253)
]


class AccessLogSettings(Section):
    """The load balancer's log of every request, in a bucket of its own (`mode: ingress`)."""

    retention_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days that it is kept."""
    force_destroy: bool = False
    """Let `pulumi destroy` delete the bucket with the logs in it. For throw-away stacks."""


class ExposureSettings(Section):
    """Who reaches the API."""

    mode: Literal["internal", "load-balancer", "ingress"] = "internal"
    """`internal`: the cluster alone. `load-balancer`: a network load balancer. `ingress`: an HTTPS load balancer."""
    source_ranges: tuple[CidrBlock, ...] = ()
    """Address ranges that the load balancer admits."""
    open_to_the_world: bool = False
    """Let `0.0.0.0/0` stand in `sourceRanges`."""
    certificate_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:acm:")] | None = None
    """ACM certificate for TLS on port 443. Without it: plain HTTP on port 80, which `ingress` does not offer."""
    host: HostName | None = None
    """Name that DNS gives the load balancer, and URLs in answers begin with. Others are answered 404 (`ingress`)."""
    scheme: Literal["internet-facing", "internal"] = "internet-facing"
    """`internal`: reached from within the VPC and what is joined to it (`ingress`)."""
    check_tokens: bool = True
    """Turn requests without a token of the issuer away before they reach the API (`ingress`). It takes RS256 alone."""
    access_logs: AccessLogSettings | None = AccessLogSettings()
    """Log of every request (`ingress`). Null: none."""
    install_controller: bool = True
    """Install the AWS Load Balancer Controller (`ingress`). Without it the cluster has one, of version 3.5 or later."""

    @property
    def public_url(self) -> str | None:
        """What the API's URLs begin with in the world, where a name is given for it."""
        if self.mode == "internal" or self.host is None:
            return None
        return f"{'https' if self.certificate_arn else 'http'}://{self.host}"

    @model_validator(mode="after")
    def _the_world_is_named(self) -> "ExposureSettings":
        if self.mode != "internal" and not self.source_ranges:
            raise ValueError(f"mode {self.mode} needs sourceRanges: the address ranges that it admits")
        if WORLD in self.source_ranges and not self.open_to_the_world:
            raise ValueError(f"sourceRanges holds {WORLD}: set openToTheWorld to true if everyone is meant")
        if self.mode == "ingress" and self.certificate_arn is None:
            raise ValueError("mode ingress needs certificateArn: it speaks TLS alone")
        return self
