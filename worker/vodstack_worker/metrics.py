from collections.abc import Collection, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from vodstack_contracts import metrics as names
from vodstack_contracts.videos import FailureCode, Stage, Way
from vodstack_worker.sandbox_report import Layer

FALLEN_BACK = "fallen_back"

_DURATION_BUCKETS_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)
_WAIT_BUCKETS_SECONDS = (0.1, 0.2, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400)
_FACTOR_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)


class Metrics:
    """The worker's figures, in a registry of their own.

    Whatever is counted is there from the start, at 0: to Prometheus, what first appears at 1 has not increased.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.processing = self._durations(
            names.WORKER_PROCESSING_DURATION, "Time at work on a video or a chunk, idle not counted"
        )
        self.errors = self._count(names.WORKER_ERRORS, "Errors of any kind")
        self.in_flight = self._gauge(names.WORKER_JOBS_IN_FLIGHT, "Videos and chunks in hand now")
        outcomes = ("ready", "failed", "planned", "dropped", "returned", "retried", "waiting")
        self.jobs = self._count(names.WORKER_JOBS, "Messages handled, by outcome", outcome=outcomes)
        self.stages = self._durations(names.WORKER_STAGE_DURATION, "Time of one stage of a video", stage=Stage)
        reasons = ("ended", "taken", "unreachable")
        self.heartbeats_lost = self._count(
            names.WORKER_HEARTBEATS_LOST, "Jobs stopped because their lease was lost, by reason", reason=reasons
        )
        self.queue_wait = self._histogram(
            names.WORKER_QUEUE_WAIT,
            "Time from a video's arrival to the start of work on it, first attempts alone",
            _WAIT_BUCKETS_SECONDS,
        )
        self.bytes = self._count(
            names.WORKER_BYTES, "Bytes of originals read and of files published", direction=("in", "out")
        )
        self.realtime_factor = self._histogram(
            names.WORKER_REALTIME_FACTOR, "Seconds of video that one worker transcodes in a second", _FACTOR_BUCKETS
        )
        reasons = ("counted", "mismatch", "not_counted", "unexpected")
        self.retries = self._count(names.WORKER_RETRIES, "Attempts that will be repeated, by reason", reason=reasons)
        self.failures = self._count(names.WORKER_FAILURES, "Videos that failed, by code", code=FailureCode)
        self.resent = self._count(names.WORKER_ARRIVALS_RESENT, "Arrivals of forgotten videos that were sent again")
        self.plans = self._count(names.WORKER_PLANS, "Videos by the way they are transcoded", way=(*Way, FALLEN_BACK))
        self.chunks_planned = self._count(names.WORKER_CHUNKS_PLANNED, "Chunk jobs of new plans")
        outcomes = ("encoded", "dropped", "returned", "retried", "given_up", "waiting")
        self.chunks = self._count(names.WORKER_CHUNKS, "Chunk jobs handled, by outcome", outcome=outcomes)
        self.chunk_durations = self._durations(
            names.WORKER_CHUNK_DURATION, "Time to encode, check and publish one chunk"
        )
        endings = ("done", "failed", "killed", "limit", "stopped")
        self.encodes = self._count(names.WORKER_ENCODES, "Runs of ffmpeg, by ending", ending=endings)
        self.queue_messages = self._gauge(
            names.QUEUE_MESSAGES, "About how many messages the arrivals queue holds", "state"
        )
        self.queue_age = self._gauge(names.QUEUE_AGE, "Wait of the arrival received last; 0 where no other waits")
        self.chunk_messages = self._gauge(
            names.CHUNK_QUEUE_MESSAGES, "About how many messages the chunks queue holds", "state"
        )
        self._sandbox = self._gauge(
            names.WORKER_SANDBOX, "Whether a layer of the sandbox of media tools stands: 1, or 0", "layer"
        )
        self.chunk_age = self._gauge(names.CHUNK_QUEUE_AGE, "Wait of the chunk received last; 0 where no other waits")
        self.waiting = self._gauge(
            names.WAITING_JOBS,
            "About how many jobs wait because their owner has its share, outside the queues",
            "reason",
        )

    def tell_sandbox(self, layers: Collection[Layer]) -> None:
        """Tell which layers of the sandbox stand, and which do not."""
        for layer in Layer:
            self._sandbox.labels(layer=layer.value).set(layer in layers)

    def _count(self, name: str, meaning: str, **labels: Iterable[str]) -> Counter:
        counter = Counter(name, meaning, list(labels), registry=self.registry)
        _begin(counter, labels)
        return counter

    def _durations(self, name: str, meaning: str, **labels: Iterable[str]) -> Histogram:
        histogram = self._histogram(name, meaning, _DURATION_BUCKETS_SECONDS, *labels)
        _begin(histogram, labels)
        return histogram

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)


def _begin(metric: Counter | Histogram, labels: dict[str, Iterable[str]]) -> None:
    """Make a series for every value of a label that is known beforehand."""
    for label, values in labels.items():
        for value in values:
            metric.labels(**{label: str(value)})
