"""A video's way as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import PathParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from vodstack_app import errors
from vodstack_app.documentation import problems
from vodstack_app.events.watches import ENDS, StateView
from vodstack_app.identity import Identity, client_of
from vodstack_app.services import Services
from vodstack_app.videos.ids import read_video_id
from vodstack_contracts.videos import Status

EVENT_STREAM = "text/event-stream"
RETRY_MILLISECONDS = 3000
HEARTBEAT = b": alive\n\n"
# Proxies that gather an answer would keep the events to themselves.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

VideoId = Annotated[str, PathParameter(description="The video's UUID.", schema_extra={"format": "uuid"})]


def encode_event(state: StateView) -> bytes:
    """The id is the status: a client that lost the connection sends it back as Last-Event-ID."""
    data = msgspec.json.encode(state).decode()
    return f"id: {state.status}\nevent: state\nretry: {RETRY_MILLISECONDS}\ndata: {data}\n\n".encode()


_EXAMPLE = encode_event(StateView(Status.PROCESSING, 0.4, None, None, [])).decode()


@get(
    "/videos/{video_id:str}/events",
    operation_id="watchVideo",
    summary="Watch a video become ready",
    tags=["videos"],
    media_type=EVENT_STREAM,
    responses={
        HTTP_200_OK: ResponseSpec(
            data_container=str,
            media_type=EVENT_STREAM,
            generate_examples=False,
            description="Events named `state`, with `status`, `progress`, `stage`, `error` and `warnings` as JSON",
            examples=[Example(summary="state", value=_EXAMPLE)],
        ),
        HTTP_204_NO_CONTENT: ResponseSpec(
            data_container=None, description="Last-Event-ID names the end that the video has come to: do not ask again"
        ),
        **problems(errors.InvalidIdError, errors.NotFoundError, errors.TooManyAtOnceError, errors.UnavailableError),
    },
)
async def watch_video(
    request: Request[Any, Any, Any],
    video_id: VideoId,
    services: NamedDependency[Services],
    identity: NamedDependency[Identity],
) -> Response[Any]:
    """The state now, and each change, until the video is `ready`, `failed` or `deleted`."""
    record = await services.records.find(read_video_id(video_id), identity)
    if record.status in ENDS and request.headers.get("last-event-id") == record.status:
        return Response(None, status_code=HTTP_204_NO_CONTENT)
    states = services.watches.follow(record, client_of(request, identity), identity.ends_at)
    # What refuses the client says so before the answer has begun.
    first = await anext(states)
    return Stream(_encoded(first, states), media_type=EVENT_STREAM, headers=HEADERS)


async def _encoded(first: StateView | None, states: AsyncGenerator[StateView | None]) -> AsyncGenerator[bytes]:
    try:
        yield encode_event(first) if first else HEARTBEAT
        async for state in states:
            yield encode_event(state) if state else HEARTBEAT
    finally:
        await states.aclose()
