"""What the environment says, read once at start."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vodstack_contracts.environment import DEFAULT_PORT, Variable

MIB = 1024 * 1024
GIB = 1024 * MIB
TIB = 1024 * GIB


class SettingsError(Exception):
    """The environment does not let the API start; the message names every variable that is wrong."""


class Settings(BaseSettings):
    """The API's settings. AWS credentials and endpoints are botocore's business."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    region: str = Field(alias=Variable.AWS_REGION, min_length=1)
    bucket: str = Field(alias=Variable.S3_BUCKET, min_length=3)
    videos_table: str = Field(alias=Variable.DYNAMODB_TABLE, min_length=3)
    # Whoever leaves the door open has to say so: there is no default.
    auth: Literal["none"] = Field(alias=Variable.AUTH)
    host: str = Field(default="0.0.0.0", alias=Variable.HOST)  # noqa: S104 - a container is reached from outside
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=DEFAULT_PORT, alias=Variable.PORT)
    max_upload_bytes: Annotated[int, Field(ge=1, le=TIB)] = Field(default=20 * GIB, alias=Variable.MAX_UPLOAD_BYTES)
    max_uploads: Annotated[int, Field(ge=1)] = Field(default=16, alias=Variable.MAX_UPLOADS)
    body_timeout_seconds: Annotated[float, Field(gt=0)] = Field(default=30.0, alias=Variable.BODY_TIMEOUT)
    shutdown_grace_seconds: Annotated[int, Field(ge=0)] = Field(default=25, alias=Variable.SHUTDOWN_GRACE)
    log_format: Literal["json", "console"] = Field(default="json", alias=Variable.LOG_FORMAT)
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", alias=Variable.LOG_LEVEL)


def read_settings() -> Settings:
    """The settings of this process. Raises SettingsError."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - the environment fills the fields
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    missing = [str(fault["loc"][0]) for fault in error.errors() if fault["type"] == "missing"]
    wrong = [f"{fault['loc'][0]} ({fault['msg']})" for fault in error.errors() if fault["type"] != "missing"]
    faults = [f"set {', '.join(missing)}"] if missing else []
    faults += [f"correct {', '.join(wrong)}"] if wrong else []
    hint = ""
    if any(fault["loc"][0] == Variable.AUTH for fault in error.errors()):
        hint = f" {Variable.AUTH} has one value yet: `none` lets everyone in."
    return f"The API cannot start: {' and '.join(faults)} in the environment.{hint}"
