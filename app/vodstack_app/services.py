"""What the handlers work with: made once, when the app starts."""

from dataclasses import dataclass

from litestar.datastructures import State

from vodstack_app.auth.gate import Gate, build_gate
from vodstack_app.aws import Clients
from vodstack_app.events.watches import Watches
from vodstack_app.fair_use.documents import Documents
from vodstack_app.fair_use.encoding import Encoding
from vodstack_app.fair_use.places import Places
from vodstack_app.fair_use.rates import Rates
from vodstack_app.fair_use.storage import Storage
from vodstack_app.health.readiness import Readiness
from vodstack_app.idempotency.claims import Claims
from vodstack_app.metrics import Metrics
from vodstack_app.object_urls import ObjectUrls
from vodstack_app.playback.published import Published
from vodstack_app.settings import Settings
from vodstack_app.uploads.direct import DirectUploads
from vodstack_app.uploads.orphans import Orphans
from vodstack_app.videos.body import Patience
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
    documents: Documents
    patience: Patience


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
        lambda video_id: OriginalUpload(clients, settings.bucket, video_id),
    )
    urls = ObjectUrls(clients.s3, settings.bucket, clients.credentials)
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
        watches=Watches(records, readiness, _watch_places(settings)),
        deletions=deletions,
        listing=Listing(clients.dynamodb, settings.videos_table),
        intake=Intake(stores, metrics, _upload_places(settings)),
        published=Published(clients.s3, settings.bucket, urls),
        uploads=DirectUploads(clients, settings.bucket, urls, stores),
        documents=Documents(settings.request_timeout_seconds, settings.body_memory_bytes),
        patience=Patience(
            silence_seconds=settings.body_timeout_seconds,
            least_bytes_per_second=settings.least_rate_bytes,
            grace_seconds=settings.rate_grace_seconds,
        ),
    )


def _upload_places(settings: Settings) -> Places:
    # One client alone never takes all.
    of_one = settings.max_uploads_of_one or max(1, settings.max_uploads // 2)
    return Places("uploads", "received", settings.max_uploads, of_one)


def _watch_places(settings: Settings) -> Places:
    return Places("streams of events", "sent", settings.max_watches, settings.max_watches_of_one)


def provide_services(state: State) -> Services:
    return state[STATE_KEY]
