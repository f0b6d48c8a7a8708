"""What the environment says, read once at start."""

import os
import re
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vodstack_app.auth.issuer import is_trustworthy
from vodstack_contracts.environment import DEFAULT_PORT, ORIGIN, Variable
from vodstack_contracts.unknown_variables import describe, unknown_variables

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

Origin = Annotated[str, Field(pattern=ORIGIN)]
_BASE_URL = re.compile(r"https?://([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class SettingsError(Exception):
    """The environment does not let the API start; the message names every variable that is wrong."""


class Settings(BaseSettings):
    """The API's settings. AWS credentials and endpoints are botocore's business."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    region: str = Field(alias=Variable.AWS_REGION, min_length=1)
    bucket: str = Field(alias=Variable.S3_BUCKET, min_length=3)
    videos_table: str = Field(alias=Variable.DYNAMODB_TABLE, min_length=3)
    work_table: str = Field(alias=Variable.WORK_TABLE, min_length=3)
    # Whoever leaves the door open has to say so: there is no default.
    auth: Literal["none", "oidc"] = Field(alias=Variable.AUTH)
    oidc_issuer: str = Field(default="", alias=Variable.OIDC_ISSUER)
    oidc_audience: str = Field(default="", alias=Variable.OIDC_AUDIENCE)
    oidc_client_ids: Annotated[tuple[str, ...], NoDecode] = Field(default=(), alias=Variable.OIDC_CLIENT_IDS)
    # It is repeated in a header: the characters are those of a scope.
    oidc_scope_prefix: str = Field(default="", alias=Variable.OIDC_SCOPE_PREFIX, pattern=r"^[!#-\[\]-~]*$")
    oidc_leeway_seconds: Annotated[float, Field(ge=0, le=300)] = Field(default=30.0, alias=Variable.OIDC_LEEWAY)
    host: str = Field(default="0.0.0.0", alias=Variable.HOST)  # noqa: S104 - a container is reached from outside
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=DEFAULT_PORT, alias=Variable.PORT)
    # On a port of their own no load balancer shows the metrics; without one they are on the API's.
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(default=None, alias=Variable.METRICS_PORT)
    public_url: str = Field(default="", alias=Variable.PUBLIC_URL)
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(default=(), alias=Variable.CORS_ORIGINS)
    max_upload_bytes: Annotated[int, Field(ge=1, le=TIB)] = Field(default=20 * GIB, alias=Variable.MAX_UPLOAD_BYTES)
    max_uploads: Annotated[int, Field(ge=1)] = Field(default=16, alias=Variable.MAX_UPLOADS)
    max_uploads_of_one: Annotated[int, Field(ge=0)] = Field(default=0, alias=Variable.MAX_UPLOADS_OF_ONE)
    least_rate_bytes: Annotated[int, Field(ge=1)] = Field(default=16 * KIB, alias=Variable.LEAST_RATE)
    rate_grace_seconds: Annotated[float, Field(gt=0)] = Field(default=30.0, alias=Variable.RATE_GRACE)
    request_timeout_seconds: Annotated[float, Field(gt=0)] = Field(default=30.0, alias=Variable.REQUEST_TIMEOUT)
    drain_seconds: Annotated[float, Field(ge=0)] = Field(default=5.0, alias=Variable.DRAIN)
    max_connections: Annotated[int, Field(ge=1)] = Field(default=1000, alias=Variable.MAX_CONNECTIONS)
    max_connections_of_one: Annotated[int, Field(ge=1)] = Field(default=200, alias=Variable.MAX_CONNECTIONS_OF_ONE)
    max_head_bytes: Annotated[int, Field(ge=1024)] = Field(default=32 * KIB, alias=Variable.MAX_HEAD_BYTES)
    body_memory_bytes: Annotated[int, Field(ge=MIB)] = Field(default=16 * MIB, alias=Variable.BODY_MEMORY)
    unsent_bytes: Annotated[int, Field(ge=MIB)] = Field(default=32 * MIB, alias=Variable.UNSENT)
    max_watches: Annotated[int, Field(ge=0)] = Field(default=500, alias=Variable.MAX_WATCHES)
    max_watches_of_one: Annotated[int, Field(ge=0)] = Field(default=50, alias=Variable.MAX_WATCHES_OF_ONE)
    body_timeout_seconds: Annotated[float, Field(gt=0)] = Field(default=30.0, alias=Variable.BODY_TIMEOUT)
    record_cache_seconds: Annotated[float, Field(ge=0, le=10)] = Field(default=1.0, alias=Variable.RECORD_CACHE)
    requests_per_minute: Annotated[int, Field(ge=0)] = Field(default=0, alias=Variable.REQUESTS_PER_MINUTE)
    stored_bytes: Annotated[int, Field(ge=0)] = Field(default=0, alias=Variable.STORED_BYTES)
    encoded_minutes: Annotated[int, Field(ge=0)] = Field(default=0, alias=Variable.ENCODED_MINUTES)
    shutdown_grace_seconds: Annotated[int, Field(ge=0)] = Field(default=25, alias=Variable.SHUTDOWN_GRACE)
    log_format: Literal["json", "console"] = Field(default="json", alias=Variable.LOG_FORMAT)
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", alias=Variable.LOG_LEVEL)

    @field_validator("oidc_client_ids", "cors_origins", mode="before")
    @classmethod
    def _split_words(cls, given: object) -> object:
        return tuple(word.strip() for word in given.split(",") if word.strip()) if isinstance(given, str) else given

    @field_validator("public_url")
    @classmethod
    def _begins_urls(cls, given: str) -> str:
        if given and not _BASE_URL.fullmatch(given):
            raise ValueError(
                "it must be an address such as https://videos.example, with no path and no slash at its end"
            )
        return given

    @model_validator(mode="after")
    def _ports_differ(self) -> "Settings":
        if self.port and self.port == self.metrics_port:
            raise ValueError(f"{Variable.PORT} and {Variable.METRICS_PORT} must differ")
        return self

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> "Settings":
        if self.auth == "oidc" and not is_trustworthy(self.oidc_issuer):
            raise ValueError(f"{Variable.OIDC_ISSUER} must be the issuer's https address")
        if self.auth == "oidc" and not (self.oidc_audience or self.oidc_client_ids):
            raise ValueError(
                f"set {Variable.OIDC_AUDIENCE} or {Variable.OIDC_CLIENT_IDS}, or any client's token is taken"
            )
        return self


def read_settings() -> Settings:
    """The settings of this process. Raises SettingsError."""
    unknown = [describe(*each) for each in unknown_variables(os.environ).items()]
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] - the environment fills the fields
    except ValidationError as error:
        raise SettingsError(" ".join([_sentence(error), *unknown])) from error
    if unknown:
        raise SettingsError(f"The API cannot start: {' '.join(unknown)}")
    return settings


def _sentence(error: ValidationError) -> str:
    faults = error.errors()
    missing = [_name(fault) for fault in faults if fault["type"] == "missing"]
    wrong = [f"{_name(fault)} ({_said(fault)})" for fault in faults if fault["type"] != "missing" and fault["loc"]]
    sentences = [f"set {', '.join(missing)}"] if missing else []
    sentences += [f"correct {', '.join(wrong)}"] if wrong else []
    sentences += [_said(fault) for fault in faults if not fault["loc"]]
    hint = ""
    if any(_name(fault) == Variable.AUTH for fault in faults):
        hint = f" {Variable.AUTH} is `oidc`, or `none`, which lets everyone in."
    return f"The API cannot start: {' and '.join(sentences)} in the environment.{hint}"


def _said(fault: ErrorDetails) -> str:
    return fault["msg"].removeprefix("Value error, ")


def _name(fault: ErrorDetails) -> str:
    return str(fault["loc"][0]) if fault["loc"] else ""
