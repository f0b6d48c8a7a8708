from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from vodstack_contracts import metrics as names

_DURATION_BUCKETS_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)
_WAIT_BUCKETS_SECONDS = (0.1, 0.2, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400)
_FACTOR_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)


class Metrics:
    """The worker's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.processing = Histogram(
            names.WORKER_PROCESSING_DURATION,
            "Time at work on a video, idle not counted",
            buckets=_DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.errors = Counter(names.WORKER_ERRORS, "Errors of any kind", registry=self.registry)
        self.in_flight = Gauge(names.WORKER_JOBS_IN_FLIGHT, "Videos being processed now", registry=self.registry)
        self.jobs = Counter(names.WORKER_JOBS, "Messages handled, by outcome", ["outcome"], registry=self.registry)
        self.stages = Histogram(
            names.WORKER_STAGE_DURATION,
            "Time of one stage of a video",
            ["stage"],
            buckets=_DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.heartbeats_lost = Counter(
            names.WORKER_HEARTBEATS_LOST, "Jobs stopped because their lease was lost", registry=self.registry
        )
        self.queue_wait = Histogram(
            names.WORKER_QUEUE_WAIT,
            "Time from a video's arrival to the start of work on it, first attempts alone",
            buckets=_WAIT_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.bytes = Counter(
            names.WORKER_BYTES, "Bytes of originals read and of files published", ["direction"], registry=self.registry
        )
        self.realtime_factor = Histogram(
            names.WORKER_REALTIME_FACTOR,
            "Seconds of video transcoded in a second",
            buckets=_FACTOR_BUCKETS,
            registry=self.registry,
        )
        self.retries = Counter(
            names.WORKER_RETRIES, "Attempts that will be repeated, by reason", ["reason"], registry=self.registry
        )
        self.failures = Counter(names.WORKER_FAILURES, "Videos that failed, by code", ["code"], registry=self.registry)
        self.queue_messages = Gauge(
            names.QUEUE_MESSAGES, "About how many messages the arrivals queue holds", ["state"], registry=self.registry
        )
        self.queue_age = Gauge(
            names.QUEUE_AGE, "Wait of the message received last; 0 where no other waits", registry=self.registry
        )
        self.resent = Counter(
            names.WORKER_ARRIVALS_RESENT, "Arrivals of forgotten videos that were sent again", registry=self.registry
        )
        self.plans = Counter(
            names.WORKER_PLANS, "Videos by the way they are transcoded", ["way"], registry=self.registry
        )
        self.chunks = Counter(
            names.WORKER_CHUNKS, "Chunk jobs handled, by outcome", ["outcome"], registry=self.registry
        )
        self.chunk_durations = Histogram(
            names.WORKER_CHUNK_DURATION,
            "Time to encode, check and publish one chunk",
            buckets=_DURATION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.chunk_messages = Gauge(
            names.CHUNK_QUEUE_MESSAGES,
            "About how many messages the chunks queue holds",
            ["state"],
            registry=self.registry,
        )
        self.encodes = Counter(names.WORKER_ENCODES, "Runs of ffmpeg, by ending", ["ending"], registry=self.registry)
