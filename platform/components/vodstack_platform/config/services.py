from typing import Annotated, Literal

from pydantic import Field, model_validator

from vodstack_contracts.environment import DEFAULT_METRICS_PORT, DEFAULT_PORT, ORIGIN
from vodstack_contracts.memory import LEAST_MEDIA_BYTES, MIB, least_memory_bytes, media_bytes
from vodstack_platform.config.exposure import ExposureSettings
from vodstack_platform.config.section import Section

DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Port = Annotated[int, Field(ge=1024, le=65_535)]
ImageReference = Annotated[str, Field(pattern=r"^[a-z0-9][a-zA-Z0-9._:/@-]*$", max_length=500)]
Count = Annotated[int, Field(ge=1, le=500)]
# Measured, in docs/benchmarks.md.
API_IDLE_MIB = 110
UPLOAD_MIB = 28
EDGE_ISSUER_CHARACTERS = 256
# Of one owner, where there are owners: far more than a team's own front end and a few hundred viewers of it need.
REQUESTS_PER_MINUTE = 6_000
# 55 hours of video in 1920x1080 at 30 frames a second, all renditions counted.
ENCODED_MINUTES_PER_DAY = 6_000
# A stopping pod serves on while load balancers learn of it, which takes the HTTPS one longer.
INGRESS_DRAIN_SECONDS = 15
INGRESS_GRACE_SECONDS = 2 * INGRESS_DRAIN_SECONDS
_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def _mib(quantity: str) -> float:
    number = quantity.rstrip("mkMGTi")
    unit = quantity.removeprefix(number)
    return float(number) * _BYTES.get(unit, 1 / 1000) / 2**20


class ImageSettings(Section):
    """Which images run."""

    api: ImageReference | None = None
    """Reference of the API's image, best by digest. Without it: the registry's address and `tag`."""
    worker: ImageReference | None = None
    """Reference of the worker's image, best by digest. Without it: the registry's address and `tag`."""
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")] | None = None
    """Tag of both images in vodstack's own registries. Tags there are immutable."""
    build: bool = False
    """Build what no reference names during `pulumi up`, and push it to the registries. Needs Docker with buildx."""
    platforms: Annotated[tuple[Literal["linux/amd64", "linux/arm64"], ...], Field(min_length=1)] = ("linux/arm64",)
    """Platforms to build for. The nodes are arm64."""


class ResourceSettings(Section):
    """What one pod gets of its node."""

    cpu: Quantity
    """CPU requested, in cores. There is no CPU limit: idle cores are for whoever can use them."""
    memory: Quantity
    """Memory requested, which is the limit as well."""


class ApiScalingSettings(Section):
    """More pods of the API while they are busy."""

    max_replicas: Count
    """Most pods."""
    cpu_percent: Annotated[int, Field(ge=10, le=95)] = 70
    """Use of the requested CPU, in percent, that their number aims at."""


class ClientSettings(Section):
    """What one client may take of one pod of the API. A client is an owner, or an address where there are no tokens."""

    uploads: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Uploads of one client that are received at a time. Unset: half of `maxUploads`."""
    watches: Annotated[int, Field(ge=1, le=10_000)] = 50
    """Streams of events of one client that are open at a time."""
    connections: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Connections of one address that are open at a time; behind an HTTPS load balancer, its requests at a time."""
    least_bytes_per_second: Annotated[int, Field(ge=1)] = 16 * 1024
    """Bytes a second that a client has to send of an upload, or read of an answer, on the average of half a minute."""


class ApiSettings(Section):
    """Pods of the API."""

    replicas: Count = 2
    """Pods of the API; the fewest, where `scaling` is set."""
    scaling: ApiScalingSettings | None = None
    """Autoscaling. Unset: `replicas` pods, always."""
    port: Port = DEFAULT_PORT
    """Port that the API listens on."""
    metrics_port: Port | None = DEFAULT_METRICS_PORT
    """Port of the API's metrics and probes, which no load balancer leads to. Null: the port that it listens on."""
    resources: ResourceSettings = ResourceSettings(cpu="250m", memory="384Mi")
    """What one pod of the API gets."""
    grace_period_seconds: Annotated[int, Field(ge=15, le=3600)] = 60
    """Seconds until a stopping API is killed. Running uploads get 10 less, 20 less with `ingress`."""
    max_upload_bytes: Annotated[int, Field(ge=1, le=1024**4)] = 20 * 1024**3
    """Largest accepted video, in bytes."""
    max_uploads: Annotated[int, Field(ge=1, le=1000)] = 8
    """Uploads that one pod takes at a time; each needs memory (docs/benchmarks.md)."""
    max_connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """Connections that one pod holds at a time. Those that ask nothing give way to new ones."""
    clients: ClientSettings = ClientSettings()
    """What one client may take of one pod."""
    cors_origins: tuple[Annotated[str, Field(pattern=ORIGIN)], ...] = ()
    """Origins of web pages that may use the API, such as `https://app.example`; `http://localhost:*` for those of one's
    own machine, whatever their port; `*` for all."""
    requests_per_minute: Annotated[int, Field(ge=0)] | None = None
    """Requests that one owner may make in a minute, playback's included; 0 for any number. Unset: 6,000 where `auth`
    asks for tokens, else any number."""
    stored_bytes: Annotated[int, Field(ge=1)] | None = None
    """Bytes that one owner's originals may take. Unset: any number."""

    @model_validator(mode="after")
    def _ports_differ(self) -> "ApiSettings":
        if self.metrics_port == self.port:
            raise ValueError(f"port and metricsPort are both {self.port}: set metricsPort to another, or to null")
        return self

    @model_validator(mode="after")
    def _uploads_fit_the_memory(self) -> "ApiSettings":
        needed = API_IDLE_MIB + UPLOAD_MIB * self.max_uploads
        if _mib(self.resources.memory) < needed:
            raise ValueError(
                f"{self.max_uploads} uploads at a time need {needed}Mi, yet resources.memory is "
                f"{self.resources.memory}: raise it or lower maxUploads"
            )
        return self

    @model_validator(mode="after")
    def _most_is_more_than_fewest(self) -> "ApiSettings":
        _check_range(self.replicas, self.scaling)
        return self


class WorkerScalingSettings(Section):
    """More workers by KEDA: one for every `jobs` videos, or chunks of videos, that wait or are in work."""

    max_replicas: Count
    """Most pods."""
    install_keda: bool = True
    """Install KEDA with a role for both queues. Without it the cluster has one that may read the attributes of both."""


def _check_range(fewest: int, scaling: ApiScalingSettings | WorkerScalingSettings | None) -> None:
    if scaling and scaling.max_replicas < fewest:
        raise ValueError(f"scaling.maxReplicas is {scaling.max_replicas}, fewer than replicas, which is {fewest}")


class WorkerSettings(Section):
    """Pods of the worker."""

    replicas: Count = 1
    """Pods of the worker; the fewest, where `scaling` is set."""
    scaling: WorkerScalingSettings | None = None
    """Autoscaling. Unset: `replicas` pods, always."""
    metrics_port: Port = DEFAULT_METRICS_PORT
    """Port of the worker's metrics and probes."""
    jobs: Annotated[int, Field(ge=1, le=64)] = 1
    """Videos that one worker processes at a time. They share its cores, its scratch and its memory, of which each wants
    736Mi, and large pictures want more (docs/worker.md)."""
    chunk_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds of the longest chunk that is planned where key frames allow it. Films of two chunks and more are encoded
    by several workers at a time; a node that is lost costs a chunk."""
    max_duration_seconds: Annotated[int, Field(ge=1, le=86_400)] = 14_400
    """Seconds of the longest video that is accepted."""
    max_frames: Annotated[int, Field(ge=1)] = 1_728_000
    """Frames of the largest video that is accepted, all of which are decoded: four hours at 120 a second."""
    jobs_per_owner: Annotated[int, Field(ge=0)] | None = None
    """Jobs of one owner, videos or chunks of them, that all workers together work on while other owners' wait; 0 for
    any number. Workers with nothing else to do take more. Unset: half of what `scaling.maxReplicas` pods take, or
    `replicas`, where `auth` asks for tokens, else any number."""
    encoded_minutes_per_day: Annotated[int, Field(ge=0)] | None = None
    """Minutes that are encoded of one owner's videos in a day (UTC), of which a minute of 1920x1080 at 30 frames a
    second is one and each rendition counts by its pixels; 0 for any number. Then the API refuses uploads until the
    next day. Unset: 6,000 where `auth` asks for tokens, else any number."""
    cage: Literal["required", "best-effort"] = "required"
    """The sandbox of media tools. `required`: the worker does not start where a layer of it is missing
    (docs/worker.md). `best-effort`: it says which, and starts; for a laptop, or a runtime class such as gVisor's."""
    runtime_class: DnsLabel | None = None
    """RuntimeClass of the worker's pods, for gVisor or Kata; the cluster has to know it. Unset: the default runtime."""
    resources: ResourceSettings = ResourceSettings(cpu="1", memory="1536Mi")
    """What one pod of the worker gets."""
    scratch_gib: Annotated[int, Field(ge=1, le=16_384)] = 20
    """Scratch disk of one pod in GiB: originals and renditions lie there while it works. It is part of its node's."""
    grace_period_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds that a stopping worker gets to hand its videos back."""

    @property
    def fair_share(self) -> int:
        """Half of the jobs that the largest fleet takes, so that others always find the other half."""
        pods = self.scaling.max_replicas if self.scaling else self.replicas
        return max(1, pods * self.jobs // 2)

    @property
    def media_bytes(self) -> int:
        """Memory that the media tools of one video get."""
        return media_bytes(int(_mib(self.resources.memory) * MIB), self.jobs)

    @model_validator(mode="after")
    def _videos_fit_the_memory(self) -> "WorkerSettings":
        if self.media_bytes < LEAST_MEDIA_BYTES:
            raise ValueError(
                f"{self.jobs} videos at a time need {least_memory_bytes(self.jobs) // MIB}Mi, yet resources.memory is "
                f"{self.resources.memory}: raise it or lower jobs"
            )
        return self

    @model_validator(mode="after")
    def _most_is_more_than_fewest(self) -> "WorkerSettings":
        _check_range(self.replicas, self.scaling)
        return self


class OidcSettings(Section):
    """Whose access tokens the API takes, and which."""

    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#]+$", max_length=500)]
    """Issuer of the tokens, exactly as their `iss` says it. Its discovery document leads to its keys."""
    audience: Annotated[str, Field(max_length=500)] = ""
    """Audience that a token must be made for (`aud`)."""
    client_ids: tuple[Annotated[str, Field(pattern=r"^[^\s,]+$", max_length=200)], ...] = ()
    """Clients whose tokens are taken (`client_id` or `azp`), where tokens name no audience, as Cognito's do."""
    scope_prefix: Annotated[str, Field(pattern=r"^[!#-\[\]-~]*$", max_length=200)] = ""
    """What the issuer puts before `videos:read`, `videos:write` and `videos:admin`, such as `vodstack/`."""
    leeway_seconds: Annotated[int, Field(ge=0, le=300)] = 30
    """Seconds by which the issuer's clock may differ from ours."""
    jwks_url: Annotated[str, Field(pattern=r"^https://[^\s?#]+$", max_length=256)] | None = None
    """Address of the issuer's keys, for a load balancer that checks tokens: it reads no discovery document."""

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> "OidcSettings":
        if not (self.audience or self.client_ids):
            raise ValueError("needs audience or clientIds, or every token of the issuer would be taken")
        return self


class ServicesSettings(Section):
    """The API and the worker."""

    namespace: DnsLabel = "vodstack"
    """Kubernetes namespace of both."""
    auth: Literal["none", "oidc", "cognito"] | None = None
    """`oidc`: tokens of your issuer. `cognito`: of `foundation.cognito`. `none`, in so many words, lets everyone in."""
    oidc: OidcSettings | None = None
    """Whose access tokens the API takes, where `auth` is `oidc`."""
    traces_endpoint: Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$", max_length=250)] | None = (
        None
    )
    """Address of an OpenTelemetry collector that takes OTLP over HTTP, from both. Unset: no traces."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log lines that both write."""
    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
    images: ImageSettings = ImageSettings()
    """The images of both."""
    exposure: ExposureSettings = ExposureSettings()
    """Who reaches the API."""
    api: ApiSettings = ApiSettings()
    """The API."""
    worker: WorkerSettings = WorkerSettings()
    """The worker."""

    def with_owners_limits(self) -> "ServicesSettings":
        """Return the same with what is unset of owners' limits. Without tokens everybody is one owner, and has none."""
        if self.auth in {None, "none"}:
            return self
        api: dict[str, int] = {}
        worker: dict[str, int] = {}
        if self.api.requests_per_minute is None:
            api["requests_per_minute"] = REQUESTS_PER_MINUTE
        if self.worker.jobs_per_owner is None:
            worker["jobs_per_owner"] = self.worker.fair_share
        if self.worker.encoded_minutes_per_day is None:
            worker["encoded_minutes_per_day"] = ENCODED_MINUTES_PER_DAY
        limited = {"api": self.api.model_copy(update=api), "worker": self.worker.model_copy(update=worker)}
        return self.model_copy(update=limited)

    @model_validator(mode="after")
    def _tokens_are_asked_for(self) -> "ServicesSettings":
        if (self.auth == "oidc") != (self.oidc is not None):
            raise ValueError("auth oidc and the section oidc go together: give both or neither")
        return self

    @model_validator(mode="after")
    def _an_ingress_has_what_it_needs(self) -> "ServicesSettings":
        if self.exposure.mode != "ingress":
            return self
        if self.oidc and self.exposure.check_tokens and len(self.oidc.issuer) > EDGE_ISSUER_CHARACTERS:
            raise ValueError(
                f"a load balancer knows issuers of up to {EDGE_ISSUER_CHARACTERS} characters: "
                "set exposure.checkTokens to false, and the API alone checks tokens"
            )
        if self.oidc and self.exposure.check_tokens and not self.oidc.jwks_url:
            raise ValueError(
                "exposure.mode ingress checks tokens at the load balancer, which has to know the issuer's keys: "
                "give oidc.jwksUrl, or set exposure.checkTokens to false"
            )
        if self.api.grace_period_seconds < INGRESS_GRACE_SECONDS:
            raise ValueError(
                f"exposure.mode ingress needs api.gracePeriodSeconds of at least {INGRESS_GRACE_SECONDS}: "
                "a stopping pod serves on until the load balancer knows"
            )
        return self
