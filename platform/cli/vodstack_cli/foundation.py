"""A deployed stack's data as its operator reaches it: addresses from its document in SSM, clients, plain errors."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from vodstack_cli.errors import CommandError
from vodstack_contracts.items import from_item, to_attribute
from vodstack_contracts.moves import KEY
from vodstack_contracts.outputs import FoundationOutputs, LayerOutputs, contract_of, decode
from vodstack_contracts.videos import VideoRecord

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

_STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}")
# An answer to a HEAD has no body, and so no code but its status.
REFUSALS = frozenset({"403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})

stack_option = click.option("--stack", default="dev", show_default=True, help="The stack that is looked after.")


@dataclass(frozen=True)
class Queue:
    """A queue of jobs with its dead-letter queue."""

    name: str
    url: str
    dlq_url: str


def aws_session() -> Any:
    """A session in the region that AWS_REGION names, or else that of the profile."""
    return boto3.session.Session(region_name=os.environ.get("AWS_REGION"))


def read_layer(session: Any, stack: str, layer: type[LayerOutputs]) -> LayerOutputs:
    """Return what a stack has published of a layer. Raises CommandError where there is nothing."""
    if not _STACK.fullmatch(stack):
        raise CommandError(f"{stack!r} is no name of a stack: letters, digits, '.', '_' and '-', at most 100.")
    contract = contract_of(layer)
    parameter = f"/vodstack/{stack}/{contract}"
    with aws_errors():
        try:
            found = session.client("ssm").get_parameter(Name=parameter)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ParameterNotFound":
                raise
            raise CommandError(
                f"There is no parameter {parameter}: name a stack that holds the layer {contract.partition('/')[0]!r} "
                "by --stack, and its region by AWS_REGION."
            ) from error
    return decode(layer, found["Parameter"]["Value"])


class Foundation:
    """Raises CommandError where the stack has published no outputs."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self._session: Any = aws_session()
        self._outputs = read_layer(self._session, stack, FoundationOutputs[str])

    @property
    def bucket(self) -> str:
        return self._outputs.bucket_name

    @property
    def table(self) -> str:
        return self._outputs.videos_table_name

    @property
    def arrivals(self) -> Queue:
        return Queue("arrivals", self._outputs.arrivals_queue_url, self._outputs.arrivals_dlq_url)

    @property
    def chunks(self) -> Queue:
        return Queue("chunks", self._outputs.chunks_queue_url, self._outputs.chunks_dlq_url)

    @cached_property
    def s3(self) -> "S3Client":
        return self._client("s3")

    @cached_property
    def sqs(self) -> "SQSClient":
        return self._client("sqs")

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self._client("dynamodb")

    def _client(self, service: str) -> Any:
        return self._session.client(service, region_name=self._outputs.region)

    def record(self, video_id: str) -> VideoRecord | None:
        key = {KEY: to_attribute(video_id)}
        answer = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        item = cast("dict[str, Any] | None", answer.get("Item"))
        return from_item(item, VideoRecord) if item else None


@contextmanager
def aws_errors() -> Generator[None]:
    """AWS's refusals and silence as sentences."""
    try:
        yield
    except NoCredentialsError as error:
        raise CommandError("No AWS credentials were found: run `aws sso login`, or set AWS_PROFILE.") from error
    except NoRegionError as error:
        raise CommandError("No AWS region is set: set AWS_REGION.") from error
    except ClientError as error:
        details = error.response.get("Error", {})
        code, message = details.get("Code", "an error"), details.get("Message", "")
        if code in REFUSALS:
            raise CommandError(
                f"AWS does not let you call {error.operation_name}: {message} Ask for that right."
            ) from error
        raise CommandError(f"AWS answered {error.operation_name} with {code}: {message} Run this again.") from error
    except BotoCoreError as error:
        raise CommandError(f"AWS was not reached: {error} Run this again.") from error
