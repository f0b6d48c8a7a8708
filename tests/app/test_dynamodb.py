"""The table's client against a server that answers as it is told, and against credentials that end."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import get_session
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import ClientError, NoCredentialsError
from yarl import URL

from vodstack_app import dynamodb
from vodstack_app.dynamodb import ATTEMPTS, DynamoDB, Endpoint, open_dynamodb

REFUSED = {
    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message": "no",
    "Item": {"a": {"S": "b"}},
}
THROTTLED = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slow"}
ITEM = {"Item": {"video_id": {"S": "x"}}}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Table:
    """Gives its answers in turn, the last one for ever."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self.answers = list(answers)
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        status, body = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "PAUSE_SECONDS", 0)


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    async with AsyncExitStack() as servers:

        async def start(handler: Handler) -> str:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            return str((await servers.enter_async_context(TestServer(app))).make_url(""))

        yield start


@pytest.fixture
async def reach(
    listen: Callable[[Handler], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[Handler], Awaitable[DynamoDB]]]:
    """The client as the API opens it, of the table that answers so."""
    async with AsyncExitStack() as clients:

        async def start(handler: Handler) -> DynamoDB:
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", await listen(handler))
            if "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in os.environ:
                monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
                monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            return await clients.enter_async_context(open_dynamodb(get_session(), "us-east-1"))

        yield start


def _read(client: DynamoDB) -> Awaitable[dict[str, Any]]:
    return client.get_item(TableName="videos", Key={"video_id": {"S": "x"}})


async def test_what_may_pass_is_tried_again(reach: Any):
    table = Table((500, {"__type": "InternalServerError"}), (400, THROTTLED), (200, ITEM))
    assert await _read(await reach(table.answer)) == ITEM
    assert len(table.requests) == ATTEMPTS
    assert table.requests[0].headers["X-Amz-Target"] == "DynamoDB_20120810.GetItem"


@pytest.mark.parametrize("answer", [(503, "<html>"), (400, THROTTLED), (200, "<html>")])
async def test_attempts_end(reach: Any, answer: tuple[int, object]):
    table = Table(answer)
    with pytest.raises((ClientError, aiohttp.ClientPayloadError)):
        await _read(await reach(table.answer))
    assert len(table.requests) == ATTEMPTS


async def test_a_refusal_is_not_repeated_and_tells_what_stood_in_the_way(reach: Any):
    table = Table((400, REFUSED))
    client: DynamoDB = await reach(table.answer)
    with pytest.raises(ClientError) as refused:
        await client.put_item(TableName="videos", Item={})
    response: Any = refused.value.response
    assert response["Error"] == {"Code": "ConditionalCheckFailedException", "Message": "no"}
    assert response["Item"] == REFUSED["Item"]
    assert len(table.requests) == 1


async def test_an_answer_that_does_not_come_is_not_waited_for(reach: Any, monkeypatch: pytest.MonkeyPatch):
    asked: list[web.Request] = []
    over = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        asked.append(request)
        await over.wait()
        return web.Response()

    monkeypatch.setattr(dynamodb, "ANSWER_SECONDS", 0.3)
    client: DynamoDB = await reach(hang)
    with pytest.raises(TimeoutError):
        await _read(client)
    over.set()
    assert asked


async def test_an_outage_is_not_met_with_three_times_the_load(reach: Any):
    table = Table((500, "{}"))
    client: DynamoDB = await reach(table.answer)
    calls = 200
    for _ in range(calls):
        with pytest.raises(ClientError):
            await _read(client)
    quota = client._quota.INITIAL_CAPACITY // dynamodb.RETRY_COST
    assert len(table.requests) == calls + quota


async def test_without_credentials_nothing_is_sent():
    async with aiohttp.ClientSession() as http:
        client = DynamoDB(http, Endpoint(URL("http://127.0.0.1:1/"), "us-east-1"), None)
        with pytest.raises(NoCredentialsError):
            await _read(client)


async def test_credentials_of_a_pods_identity_are_renewed_before_they_end(
    reach: Any, listen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As EKS gives them: an address and a file with a token for it."""
    given: list[str] = []

    async def agent(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "the pod's token"
        given.append(f"AKID{len(given)}")
        ends_at = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = {"AccessKeyId": given[-1], "SecretAccessKey": "s", "Token": f"token{len(given)}", "Expiration": ends_at}
        return web.json_response(keys)

    (tmp_path / "token").write_text("the pod's token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", await listen(agent))
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    table = Table((200, ITEM))
    client: DynamoDB = await reach(table.answer)
    await _read(client)
    await _read(client)
    first, second = table.requests
    assert given[-2] in first.headers["Authorization"]
    assert given[-1] in second.headers["Authorization"]
    assert first.headers["X-Amz-Security-Token"] != second.headers["X-Amz-Security-Token"]
    assert "x-amz-security-token" in second.headers["Authorization"]


def test_every_operation_that_the_api_calls_is_there():
    source = "".join(path.read_text() for path in Path(dynamodb.__file__).parent.rglob("*.py"))
    called = set(re.findall(r"dynamodb\.(\w+)\(", source) + re.findall(r'_conditional\(\s*"(\w+)"', source))
    assert {"get_item", "query", "update_item"} <= called
    assert [name for name in called if not hasattr(DynamoDB, name)] == []
