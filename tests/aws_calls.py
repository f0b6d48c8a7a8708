"""What a service calls at AWS, in IAM's words: the action, and the resource by the names below.

The same words stand for the resources of a service's policy, so that both can be compared, each way.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.aws_proxy import Seen
from tests.conftest import Foundation

from vodstack_contracts import outputs
from vodstack_contracts.outputs import FoundationOutputs
from vodstack_platform.policy import Statement

Right = tuple[str, str]
# One call for many asks for the right of one.
_OF_ONE = {"SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage"}
_DYNAMODB = {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"}


def words() -> FoundationOutputs[Any]:
    """A foundation whose ARNs are plain words: `videos`, `bucket`, `arrivals`."""
    named = {name: name.lower() for name in outputs.names(FoundationOutputs)}
    named |= {"videosTableArn": "videos", "workTableArn": "work", "bucketArn": "bucket"}
    named |= {"arrivalsQueueArn": "arrivals", "chunksQueueArn": "chunks", "keyArn": "key"}
    return outputs.decode(FoundationOutputs[str], json.dumps({outputs.CONTRACT_FIELD: "foundation/v1", **named}))


async def granted(statements: Iterable[Statement]) -> set[Right]:
    """What a service's policy grants, but for the use of the key: moto encrypts nothing, so nothing is asked of it."""
    found: set[Right] = set()
    for statement in statements:
        for resource in statement.resources:
            place = resource if isinstance(resource, str) else await cast("Any", resource).future()
            found |= {(action, str(place).removesuffix("/*")) for action in statement.actions}
    return {right for right in found if not right[0].startswith("kms:")}


def called(seen: Iterable[Seen], foundation: Foundation) -> set[Right]:
    return {right for each in seen for right in _rights(each, foundation)}


def _rights(seen: Seen, foundation: Foundation) -> list[Right]:
    if seen.method == "POST" and seen.body.startswith(b"{"):
        return [_of_json(seen, json.loads(seen.body), foundation)]
    bucket, _, key = unquote(urlsplit(seen.path).path).strip("/").partition("/")
    query = parse_qs(urlsplit(seen.path).query, keep_blank_values=True)
    assert bucket == foundation.bucket, seen
    if "delete" in query:
        return [("s3:DeleteObject", _place(each)) for each in re.findall(r"<Key>([^<]+)</Key>", seen.body.decode())]
    if not key:
        return [("s3:ListBucketMultipartUploads" if "uploads" in query else "s3:ListBucket", "bucket")]
    if seen.method in ("GET", "HEAD"):
        return [("s3:ListMultipartUploadParts" if "uploadId" in query else "s3:GetObject", _place(key))]
    if seen.method == "DELETE":
        return [("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", _place(key))]
    return [("s3:PutObject", _place(key))]


def _of_json(seen: Seen, body: dict[str, Any], foundation: Foundation) -> Right:
    action = _OF_ONE.get(seen.operation, seen.operation)
    if action in _DYNAMODB:
        table = {foundation.videos_table: "videos", foundation.work_table: "work"}[body["TableName"]]
        return f"dynamodb:{action}", f"{table}/index/{body['IndexName']}" if "IndexName" in body else table
    queues = {foundation.queue_url: "arrivals", foundation.chunks_queue_url: "chunks"}
    return f"sqs:{action}", queues[body["QueueUrl"]]


def _place(key: str) -> str:
    return f"bucket/{key.partition('/')[0]}"
