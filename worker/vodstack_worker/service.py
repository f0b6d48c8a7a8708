"""The composition root: everything the worker consists of, put together once."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from vodstack_worker.admission import EncodingQuota
from vodstack_worker.chunk_encoder import ChunkEncoder
from vodstack_worker.chunk_table import ChunkTable
from vodstack_worker.consumer import Chunks, Consumer, Fairness
from vodstack_worker.fair_share import FairShare
from vodstack_worker.media_check import check_media_tools, choose_user
from vodstack_worker.media_process import Limits
from vodstack_worker.messages import JobQueue
from vodstack_worker.metrics import Metrics
from vodstack_worker.pipeline import Pipeline
from vodstack_worker.probes import make_probes, serve_probes
from vodstack_worker.process_tree import adopt_orphans
from vodstack_worker.pulse import Pulse
from vodstack_worker.queue_depth import export_queue_depth
from vodstack_worker.records import Records
from vodstack_worker.sandbox_report import Layer
from vodstack_worker.scratch import Scratch
from vodstack_worker.settings import Settings
from vodstack_worker.sweep import Sweep
from vodstack_worker.tracing import Tracing
from vodstack_worker.turns import Turns
from vodstack_worker.waiting import QueueName, WaitingList

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient

_CONNECT_SECONDS = 5
_READ_SECONDS = 30
_ATTEMPTS = 3
_ANY_SECONDS = 60
# A slot polls two queues while polls that it left run on, beats, and publishes several files at once.
_CONNECTIONS_PER_JOB = 10


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT. Raises InstallationError where no video can be processed on this machine."""
    log = structlog.get_logger()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics, tracing, pulse = Metrics(), Tracing(), Pulse()
    async with AsyncExitStack() as stack:
        stack.callback(tracing.close)
        port = await stack.enter_async_context(
            serve_probes(make_probes(metrics, pulse, stop), settings.host, settings.metrics_port)
        )
        uid = choose_user(settings.media_uid)
        scratch = Scratch(settings.scratch_directory, jobs=settings.jobs, job_bytes=settings.scratch_bytes, uid=uid)
        stack.callback(scratch.close)
        limits = media_limits(settings, scratch, uid)
        adopt_orphans()
        layers = await check_media_tools(scratch, limits, require=settings.sandbox == "required")
        metrics.tell_sandbox(layers)
        log.info("media tools work", sandbox=sorted(layers), lacks=sorted(set(Layer) - layers), uid=uid)
        s3, sqs, dynamodb = await _connect(stack, settings)
        arrivals = JobQueue(sqs, settings.queue_url, visibility_timeout=settings.visibility_timeout)
        chunks = None
        if settings.chunks_queue_url:
            chunks = Chunks(
                queue=JobQueue(sqs, settings.chunks_queue_url, visibility_timeout=settings.visibility_timeout),
                table=ChunkTable(dynamodb, settings.work_table),
                encoder=ChunkEncoder(s3, settings, scratch, limits),
            )
        records, waiting = Records(dynamodb, settings.table), WaitingList(dynamodb, settings.work_table)
        queues: dict[QueueName, JobQueue] = {"arrivals": arrivals, "chunks": chunks.queue if chunks else arrivals}
        fairness = _make_fairness(dynamodb, settings, records, waiting, queues)
        consumer = Consumer(
            settings=settings,
            arrivals=arrivals,
            chunks=chunks,
            records=records,
            pipeline=Pipeline(s3, settings, scratch, limits, chunks.table if chunks else None),
            metrics=metrics,
            tracing=tracing,
            pulse=pulse,
            fairness=fairness,
        )
        sweep = Sweep(s3, sqs, dynamodb, settings=settings, metrics=metrics, share=fairness.share)
        depth = export_queue_depth(
            arrivals, chunks.queue if chunks else None, metrics, waiting if settings.is_fair else None
        )
        for loop in (sweep.run(), depth):
            stack.callback(asyncio.create_task(loop).cancel)
        log.info("started", port=port, jobs=settings.jobs, threads=settings.threads, swept=scratch.swept)
        await consumer.run(stop)
        log.info("stopped")


def _make_fairness(
    dynamodb: "DynamoDBClient",
    settings: Settings,
    records: Records,
    waiting: WaitingList,
    queues: dict[QueueName, JobQueue],
) -> Fairness:
    share = FairShare(
        turns=Turns(dynamodb, settings.work_table),
        waiting=waiting,
        records=records,
        queues=queues,
        most=settings.jobs_per_owner,
        visibility=settings.visibility_timeout,
    )
    return Fairness(share=share, quota=EncodingQuota(dynamodb, settings.work_table, settings.encoded_minutes))


async def _connect(stack: AsyncExitStack, settings: Settings) -> "tuple[S3Client, SQSClient, DynamoDBClient]":
    """Clients that are closed with the stack."""
    connect = cast("Callable[..., AbstractAsyncContextManager[Any]]", get_session().create_client)  # pyright: ignore[reportUnknownMemberType] - untyped
    config = AioConfig(
        region_name=settings.region,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_CONNECTIONS_PER_JOB * settings.jobs,
    )
    s3: S3Client = await stack.enter_async_context(connect("s3", config=config))
    sqs: SQSClient = await stack.enter_async_context(connect("sqs", config=config))
    dynamodb: DynamoDBClient = await stack.enter_async_context(connect("dynamodb", config=config))
    return s3, sqs, dynamodb


def media_limits(settings: Settings, scratch: Scratch, uid: int) -> Limits:
    """What any media tool may use; runs bound their times more closely."""
    return Limits(
        memory_bytes=settings.media_memory_bytes,
        cpu_seconds=_ANY_SECONDS,
        wall_seconds=_ANY_SECONDS,
        scratch_bytes=scratch.job_bytes,
        uid=uid,
    )
