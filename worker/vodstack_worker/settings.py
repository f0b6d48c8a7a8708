"""What the worker reads from its environment, once, at its start."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vodstack_contracts.environment import DEFAULT_METRICS_PORT, Variable
from vodstack_contracts.memory import LEAST_MEDIA_BYTES
from vodstack_contracts.unknown_variables import describe, unknown_variables
from vodstack_worker.errors import WorkerError
from vodstack_worker.machine import share_of_memory, usable_cores
from vodstack_worker.probed import MAX_FRAMES

_CORES_PER_JOB = 4
GIB = 1024**3


class SettingsError(WorkerError):
    """The environment does not hold what the worker needs."""


def _jobs() -> int:
    return max(1, usable_cores() // _CORES_PER_JOB)


def _media_memory(settings: dict[str, Any]) -> int:
    return share_of_memory(settings["jobs"])


def _variable(name: str, default: Any = ..., **more: Any) -> Any:
    if callable(default):
        return Field(default_factory=default, validation_alias=name, **more)
    return Field(default, validation_alias=name, **more)


class Settings(BaseSettings):
    """Every setting with its variable, its default and its meaning. docs/worker.md shows the same table."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    region: str = _variable(Variable.AWS_REGION, description="AWS region")
    bucket: str = _variable(Variable.S3_BUCKET, description="bucket of originals and renditions")
    table: str = _variable(Variable.DYNAMODB_TABLE, description="table of the video records")
    work_table: str = _variable(Variable.WORK_TABLE, description="table of short-lived work items")
    queue_url: str = _variable(Variable.SQS_QUEUE_URL, description="arrivals queue")
    chunks_queue_url: str = _variable(
        Variable.CHUNKS_QUEUE_URL, "", description="chunks queue; without one, every video is transcoded in one pass"
    )
    scratch_directory: Path = _variable(
        Variable.SCRATCH_DIRECTORY,
        lambda: Path(tempfile.gettempdir()) / "vodstack-worker",
        description="folder for originals and renditions in the making; several workers may share it",
    )
    scratch_bytes: Annotated[int, Ge(0)] = _variable(
        Variable.SCRATCH_BYTES, 0, description="scratch that one job may fill; 0 shares out what is free"
    )
    visibility_timeout: Annotated[int, Ge(2), Le(43_200)] = _variable(
        Variable.VISIBILITY_TIMEOUT, 120, description="seconds after which a dead worker's video is taken over"
    )
    poll_wait: Annotated[int, Ge(0), Le(20)] = _variable(
        Variable.POLL_WAIT, 5, description="seconds that one poll waits, and that a worker may take to leave"
    )
    jobs: Annotated[int, Ge(1)] = _variable(
        Variable.JOBS, _jobs, description="videos processed at a time; one for every four cores unless set"
    )
    max_failures: Annotated[int, Ge(1)] = _variable(
        Variable.MAX_FAILURES, 5, description="real failures after which a video is `failed`"
    )
    retry_delay: Annotated[int, Ge(0), Le(900)] = _variable(
        Variable.RETRY_DELAY, 30, description="pause before the first retry; it doubles up to 15 minutes"
    )
    resend_after: Annotated[int, Ge(4)] = _variable(
        Variable.RESEND_AFTER,
        21_600,
        description="seconds after which a waiting video's arrival is sent again",
    )
    max_duration: Annotated[int, Ge(1), Le(86_400)] = _variable(
        Variable.MAX_DURATION, 14_400, description="longest video accepted"
    )
    max_frames: Annotated[int, Ge(1)] = _variable(
        Variable.MAX_FRAMES, MAX_FRAMES, description="most frames of a video accepted, all of which are decoded"
    )
    jobs_per_owner: Annotated[int, Ge(0)] = _variable(
        Variable.JOBS_PER_OWNER,
        0,
        description="jobs of one owner at a time, of all workers together, while others wait; 0 for any number",
    )
    encoded_minutes: Annotated[int, Ge(0)] = _variable(
        Variable.ENCODED_MINUTES,
        0,
        description="minutes that are encoded of one owner's videos in a day; 0 for any number",
    )
    chunk_seconds: Annotated[float, Ge(1), Le(3600)] = _variable(
        Variable.CHUNK_SECONDS, 60.0, description="longest chunk that is planned where key frames allow it"
    )
    local_bytes: Annotated[int, Ge(0)] = _variable(
        Variable.LOCAL_BYTES,
        512 * 1024**2,
        description="largest original that is brought to scratch to be planned; others are read where they lie",
    )
    media_memory_bytes: Annotated[int, Ge(LEAST_MEDIA_BYTES)] = _variable(
        Variable.MEDIA_MEMORY, _media_memory, description="memory that the media tools of one job may take"
    )
    media_uid: Annotated[int, Ge(1)] = _variable(
        Variable.MEDIA_UID, 65_534, description="user that media tools run as where the worker is root"
    )
    sandbox: Literal["required", "best-effort"] = _variable(
        Variable.SANDBOX,
        "required",
        description="`required`: no start where a layer of the sandbox of media tools is missing; or `best-effort`",
    )
    host: str = _variable(Variable.HOST, "0.0.0.0", description="address of metrics and probes")  # noqa: S104 - a pod's
    metrics_port: Annotated[int, Ge(0), Le(65_535)] = _variable(
        Variable.METRICS_PORT, DEFAULT_METRICS_PORT, description="port of metrics and probes"
    )
    log_format: Literal["json", "console"] = _variable(Variable.LOG_FORMAT, "json", description="`json` or `console`")
    log_level: Literal["debug", "info", "warning", "error"] = _variable(
        Variable.LOG_LEVEL, "info", description="`debug`, `info`, `warning` or `error`"
    )

    @property
    def is_fair(self) -> bool:
        """Whether anything may have to wait for its owner's share."""
        return self.jobs_per_owner > 0 or self.encoded_minutes > 0

    @property
    def threads(self) -> int:
        """Threads of one job's ffmpeg."""
        return max(1, usable_cores() // self.jobs)


def read_settings() -> Settings:
    """The settings as the environment holds them. Raises SettingsError with a sentence that names each mistake."""
    unknown = [describe(*each) for each in unknown_variables(os.environ).items()]
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] - the environment is the argument
    except ValidationError as error:
        raise SettingsError(_sentence(_faults(error) + unknown)) from error
    if unknown:
        raise SettingsError(_sentence(unknown))
    return settings


def _faults(error: ValidationError) -> list[str]:
    missing = [str(fault["loc"][0]) for fault in error.errors() if fault["type"] == "missing"]
    # What is worked out from a value that is wrong itself would only repeat the complaint.
    silent = {"missing", "default_factory_not_called"}
    wrong = [f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors() if fault["type"] not in silent]
    return ([f"set {', '.join(missing)} in the environment"] if missing else []) + wrong


def _sentence(parts: list[str]) -> str:
    return f"the worker cannot start: {'; '.join(parts)}"
