"""The environment variables by which a program of ours is configured: Deployments set them, settings read them.

The first five names are those of the Go service that vodstack succeeds, kept so that scripts go on working.
"""

from collections.abc import Mapping
from enum import StrEnum


class Variable(StrEnum):
    """A variable's name; the comment on each line says what it holds."""

    AWS_REGION = "AWS_REGION"
    DYNAMODB_TABLE = "DYNAMODB_TABLE"  # the videos table's name
    S3_BUCKET = "S3_BUCKET"  # the one bucket of originals and renditions
    SQS_QUEUE_URL = "SQS_QUEUE_URL"  # the arrivals queue
    CHUNKS_QUEUE_URL = "VODSTACK_CHUNKS_QUEUE_URL"  # without it, every video is transcoded in one pass
    PORT = "PORT"  # the API's
    HOST = "VODSTACK_HOST"  # the address that the API and the metrics listen on
    PUBLIC_URL = "VODSTACK_PUBLIC_URL"  # by which clients reach the API, where requests do not say it themselves
    METRICS_PORT = "VODSTACK_METRICS_PORT"  # for metrics and probes alone
    WORK_TABLE = "VODSTACK_WORK_TABLE"  # idempotency keys, quotas, chunk sets, leases
    AUTH = "VODSTACK_AUTH"  # `oidc`; or `none`, in so many words, which lets everyone in
    OIDC_ISSUER = "VODSTACK_OIDC_ISSUER"
    OIDC_AUDIENCE = "VODSTACK_OIDC_AUDIENCE"
    OIDC_CLIENT_IDS = "VODSTACK_OIDC_CLIENT_IDS"  # separated by commas
    OIDC_SCOPE_PREFIX = "VODSTACK_OIDC_SCOPE_PREFIX"  # what the issuer puts before `videos:read`
    OIDC_LEEWAY = "VODSTACK_OIDC_LEEWAY_SECONDS"  # how far its clock may be off ours
    CORS_ORIGINS = "VODSTACK_CORS_ORIGINS"  # of web pages that may use the API, separated by commas; `*` for all
    MAX_UPLOAD_BYTES = "VODSTACK_MAX_UPLOAD_BYTES"
    MAX_UPLOADS = "VODSTACK_MAX_UPLOADS"  # that one API process receives at a time
    MAX_UPLOADS_OF_ONE = "VODSTACK_MAX_UPLOADS_OF_ONE"  # owner, or address where there are no tokens; 0 for half
    LEAST_RATE = "VODSTACK_LEAST_RATE_BYTES"  # a second that a client sends of an upload, or reads of an answer
    RATE_GRACE = "VODSTACK_RATE_GRACE_SECONDS"  # how long it may be slower
    REQUEST_TIMEOUT = "VODSTACK_REQUEST_TIMEOUT_SECONDS"  # of a request's head, and of a body that is no upload
    DRAIN = "VODSTACK_DRAIN_SECONDS"  # how long a body that was refused is read on for its client to see the answer
    MAX_CONNECTIONS = "VODSTACK_MAX_CONNECTIONS"  # that one API process holds
    MAX_CONNECTIONS_OF_ONE = "VODSTACK_MAX_CONNECTIONS_OF_ONE"  # address
    MAX_HEAD_BYTES = "VODSTACK_MAX_HEAD_BYTES"  # of a request's headers and path
    BODY_MEMORY = "VODSTACK_BODY_MEMORY_BYTES"  # that bodies of JSON take at a time
    UNSENT = "VODSTACK_UNSENT_BYTES"  # that answers which clients have not read take at a time
    MAX_WATCHES = "VODSTACK_MAX_WATCHES"  # event streams of one API process
    MAX_WATCHES_OF_ONE = "VODSTACK_MAX_WATCHES_OF_ONE"  # owner, or address where there are no tokens
    REQUESTS_PER_MINUTE = "VODSTACK_REQUESTS_PER_MINUTE"  # that one owner may make; 0 for any number
    STORED_BYTES = "VODSTACK_STORED_BYTES"  # that one owner's originals may take; 0 for any number
    BODY_TIMEOUT = "VODSTACK_BODY_TIMEOUT_SECONDS"  # how long a client may fall silent within an upload
    RECORD_CACHE = "VODSTACK_RECORD_CACHE_SECONDS"  # how old a video that is looked at may be
    SHUTDOWN_GRACE = "VODSTACK_SHUTDOWN_GRACE_SECONDS"  # what running uploads get after SIGTERM
    SCRATCH_DIRECTORY = "VODSTACK_SCRATCH_DIR"
    SCRATCH_BYTES = "VODSTACK_SCRATCH_BYTES"  # that one job may fill
    VISIBILITY_TIMEOUT = "VODSTACK_VISIBILITY_TIMEOUT_SECONDS"
    MEDIA_MEMORY = "VODSTACK_MEDIA_MEMORY_BYTES"  # that the media tools of one job may hold
    SANDBOX = "VODSTACK_SANDBOX"  # whether the worker starts where the sandbox of media tools lacks a layer
    JOBS_PER_OWNER = "VODSTACK_JOBS_PER_OWNER"  # at a time, of all workers, while others wait; 0 for any number
    ENCODED_MINUTES = "VODSTACK_ENCODED_MINUTES_PER_DAY"  # of one owner's videos; 0 for any number
    JOBS = "VODSTACK_JOBS"  # videos that one worker processes at a time
    CHUNK_SECONDS = "VODSTACK_CHUNK_SECONDS"  # the longest chunk of a video that is worth cutting
    POLL_WAIT = "VODSTACK_POLL_WAIT_SECONDS"  # how long the worker's polls wait
    MAX_FAILURES = "VODSTACK_MAX_FAILURES"  # after which a video is `failed`
    RETRY_DELAY = "VODSTACK_RETRY_DELAY_SECONDS"
    RESEND_AFTER = "VODSTACK_RESEND_AFTER_SECONDS"  # after which a waiting video's arrival is sent again
    MAX_DURATION = "VODSTACK_MAX_DURATION_SECONDS"  # of a video
    MAX_FRAMES = "VODSTACK_MAX_FRAMES"  # of a video, all of which are decoded
    LOCAL_BYTES = "VODSTACK_LOCAL_BYTES"  # the largest original that is brought to scratch to be planned
    MEDIA_UID = "VODSTACK_MEDIA_UID"  # the user of media tools where the worker is root
    OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"  # OpenTelemetry's own name: where traces are sent
    LOG_FORMAT = "VODSTACK_LOG_FORMAT"  # `json` or `console`
    LOG_LEVEL = "VODSTACK_LOG_LEVEL"
    STATE_DIRECTORY = "VODSTACK_STATE_DIR"  # where the command keeps clips and logs
    API_URL = "VODSTACK_URL"  # where the command finds the API
    TOKEN = "VODSTACK_TOKEN"  # noqa: S105 - the name of the command's access token, not one


DEFAULT_PORT = 8080
ORIGIN = r"^(\*|https?://[a-z0-9.\[\]:-]+|https?://(localhost|127\.0\.0\.1|\[::1\]):\*)$"
"""A web page's origin in CORS_ORIGINS. Loopback may leave its port open: it differs by development server."""
ANY_PORT = ":*"
DEFAULT_METRICS_PORT = 9090

_TRACES_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Variable.OTLP_ENDPOINT)


def traces_are_wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's standard variables name somebody to send traces to, and do not turn them off."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    is_off = exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not is_off and (bool(exporter) or any(environment.get(name) for name in _TRACES_ENDPOINTS))
