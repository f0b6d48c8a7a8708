"""What the handlers work with: made once, when the app starts."""

from dataclasses import dataclass

from litestar.datastructures import State

from vodstack_app.auth.gate import Gate, build_gate
from vodstack_app.aws import Clients
from vodstack_app.events.watches import Watches
from vodstack_app.fair_use.encoding import Encoding
from vodstack_app.fair_use.rates import Rates
from vodstack_app.fair_use.storage import Storage
from vodstack_app.health.readiness import Readiness
from vodstack_app.idempotency.claims import Claims
from vodstack_app.metrics import Metrics
from vodstack_app.playback.published import Published
from vodstack_app.playback.urls import ObjectUrls
from vodstack_app.settings import Settings
from vodstack_app.uploads.direct import DirectUploads
from vodstack_app.uploads.orphans import Orphans
from vodstack_app.videos.deletion import Deletions
from vodstack_app.videos.intake import Intake, Stores
from vodstack_app.videos.listing import Listing
from vodstack_app.videos.objects import StoredObjects
from vodstack_app.videos.original import OriginalUpload
from vodstack_app.videos.records import Records

STATE_KEY = "services"


@dataclass(frozen=True)
class Services:
    """One app's services."""

    settings: Settings
    metrics: Metrics
    readiness: Readiness
    gate: Gate
    rates: Rates
    storage: Storage
    encoding: Encoding
    records: Records
    listing: Listing
    deletions: Deletions
    watches: Watches
    intake: Intake
    published: Published
    uploads: DirectUploads


def build_services(settings: Settings, metrics: Metrics, readiness: Readiness, clients: Clients) -> Services:
    records = Records(clients.dynamodb, settings.videos_table, settings.record_cache_seconds)
    objects = StoredObjects(clients.s3, settings.bucket)
    claims = Claims(clients.dynamodb, settings.work_table)
    storage = Storage(
        clients.dynamodb,
        videos_table=settings.videos_table,
        work_table=settings.work_table,
        limit_bytes=settings.stored_bytes,
    )
    encoding = Encoding(clients.dynamodb, settings.work_table, settings.encoded_minutes)
    deletions = Deletions(records, objects, storage, Orphans(clients.s3, settings.bucket, records))
    stores = Stores(
        records,
        objects,
        claims,
        storage,
        encoding,
        deletions,
        lambda video_id: OriginalUpload(clients.s3, settings.bucket, video_id),
    )
    readiness.watch(clients, settings)
    return Services(
        settings=settings,
        metrics=metrics,
        readiness=readiness,
        gate=build_gate(settings),
        storage=storage,
        encoding=encoding,
        rates=Rates(clients.dynamodb, settings.work_table, settings.requests_per_minute),
        records=records,
        watches=Watches(records, readiness),
        deletions=deletions,
        listing=Listing(clients.dynamodb, settings.videos_table),
        intake=Intake(stores, metrics, settings.max_uploads),
        published=Published(clients.s3, settings.bucket, ObjectUrls(clients.s3, settings.bucket, clients.credentials)),
        uploads=DirectUploads(clients.s3, settings.bucket, records, claims, storage=storage, encoding=encoding),
    )


def provide_services(state: State) -> Services:
    return state[STATE_KEY]
