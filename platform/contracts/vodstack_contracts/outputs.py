"""What a stack exports, layer by layer: a contract with the teams that consume it.

A layer's struct is generic in what it holds: plain text once decoded from the layer's JSON document in SSM
(`FoundationOutputs[str]`), Pulumi outputs in a program (`FoundationOutputs[pulumi.Output[str]]`). Renaming or dropping
an output, or changing what it means, is a breaking change and raises the layer's version.
"""

from collections.abc import Callable
from typing import Annotated, Any, Generic, Protocol, TypeVar, get_origin

import msgspec
from msgspec import Meta, Struct

from vodstack_contracts.errors import MissingOutputError

T = TypeVar("T")
LayerOutputs = TypeVar("LayerOutputs", bound=Struct)

CONTRACT_FIELD = "contract"


class FoundationOutputs(
    Struct, Generic[T], frozen=True, kw_only=True, rename="camel", tag="foundation/v1", tag_field=CONTRACT_FIELD
):
    """Names and addresses of everything that holds data."""

    region: Annotated[T, Meta(description="AWS region of every resource below")]
    vpc_id: Annotated[T, Meta(description="VPC of the cluster; empty where the stack has no network")]
    private_subnet_ids: Annotated[T, Meta(description="subnets of the nodes, separated by commas; may be empty")]
    public_subnet_ids: Annotated[T, Meta(description="subnets that face the internet, by commas; may be empty")]
    key_arn: Annotated[T, Meta(description="KMS key of all data below and of the cluster's secrets")]
    bucket_name: Annotated[T, Meta(description="bucket of originals and renditions")]
    bucket_arn: Annotated[T, Meta(description="ARN of the bucket")]
    videos_table_name: Annotated[T, Meta(description="DynamoDB table of the video records")]
    videos_table_arn: Annotated[T, Meta(description="ARN of the videos table")]
    work_table_name: Annotated[T, Meta(description="DynamoDB table of short-lived work items")]
    work_table_arn: Annotated[T, Meta(description="ARN of the work table")]
    arrivals_queue_url: Annotated[T, Meta(description="SQS queue of the originals that arrived")]
    arrivals_queue_arn: Annotated[T, Meta(description="ARN of the arrivals queue")]
    arrivals_dlq_url: Annotated[T, Meta(description="dead-letter queue of the arrivals")]
    arrivals_dlq_arn: Annotated[T, Meta(description="ARN of the arrivals' dead-letter queue")]
    arrivals_visibility_seconds: Annotated[T, Meta(description="seconds that a received arrival stays hidden")]
    chunks_queue_url: Annotated[T, Meta(description="SQS queue of chunk jobs")]
    chunks_queue_arn: Annotated[T, Meta(description="ARN of the chunks queue")]
    chunks_dlq_url: Annotated[T, Meta(description="dead-letter queue of the chunk jobs")]
    chunks_dlq_arn: Annotated[T, Meta(description="ARN of the chunks' dead-letter queue")]
    api_repository_url: Annotated[T, Meta(description="image repository of the API")]
    worker_repository_url: Annotated[T, Meta(description="image repository of the worker")]
    deploy_role_arn: Annotated[T, Meta(description="role of the workflow that deploys; empty without one")]
    preview_role_arn: Annotated[T, Meta(description="role of the workflow that previews; empty without one")]
    token_issuer: Annotated[T, Meta(description="issuer of access tokens that the program made; empty without one")]
    token_client_ids: Annotated[T, Meta(description="its clients, by commas; their secrets are in Cognito alone")]
    token_scope_prefix: Annotated[T, Meta(description="what it puts before the names of scopes; may be empty")]
    token_url: Annotated[T, Meta(description="where its clients get tokens; empty without one")]


class ClusterOutputs(
    Struct, Generic[T], frozen=True, kw_only=True, rename="camel", tag="cluster/v1", tag_field=CONTRACT_FIELD
):
    """How the Kubernetes cluster is reached."""

    cluster_name: Annotated[T, Meta(description="EKS name of the cluster, for pod identities and `aws eks`")]
    kubeconfig: Annotated[T, Meta(description="kubeconfig without credentials: it calls `aws eks get-token`")]
    storage_class: Annotated[T, Meta(description="storage class of volumes")]


class MonitoringOutputs(
    Struct, Generic[T], frozen=True, kw_only=True, rename="camel", tag="monitoring/v1", tag_field=CONTRACT_FIELD
):
    """Where metrics are looked at."""

    monitoring_namespace: Annotated[T, Meta(description="Kubernetes namespace of Prometheus and Grafana")]
    prometheus_url: Annotated[T, Meta(description="address of Prometheus inside the cluster")]
    grafana_url: Annotated[T, Meta(description="address of Grafana inside the cluster")]
    grafana_secret: Annotated[T, Meta(description="Kubernetes Secret of Grafana's admin, in that namespace")]


class ServicesOutputs(
    Struct, Generic[T], frozen=True, kw_only=True, rename="camel", tag="services/v1", tag_field=CONTRACT_FIELD
):
    """Where the API is reached and who the services are to AWS."""

    namespace: Annotated[T, Meta(description="Kubernetes namespace of the API and the worker")]
    api_url: Annotated[T, Meta(description="address of the API: inside the cluster, or its load balancer's")]
    api_role_arn: Annotated[T, Meta(description="IAM role of the API")]
    worker_role_arn: Annotated[T, Meta(description="IAM role of the worker")]


LAYERS: tuple[type[Struct], ...] = (FoundationOutputs, ClusterOutputs, MonitoringOutputs, ServicesOutputs)


class Eventual(Protocol):
    """The part of `pulumi.Output` that `read` leans on, so that this package needs no Pulumi."""

    def apply(self, func: Callable[[Any], Any], /) -> Any:
        """Return what `func` makes of the value, once it is known."""
        ...


class StackReader(Protocol):
    """The part of `pulumi.StackReference` that `read` leans on."""

    @property
    def name(self) -> Eventual:
        """The stack's full name, as in `organization/vodstack/dev`."""
        ...

    def get_output(self, name: str, /) -> Eventual:
        """The output `name` of the stack, or None where it exports no such output."""
        ...


def contract_of(layer: type[Struct]) -> str:
    """A layer's name and version, as in `foundation/v1`."""
    struct: type[Struct] = get_origin(layer) or layer
    return str(struct.__struct_config__.tag)


def names(layer: type[Struct]) -> tuple[str, ...]:
    """The names under which a stack exports a layer's outputs."""
    return tuple(info.encode_name for info in msgspec.structs.fields(layer))


def exports(outputs: Struct) -> dict[str, Any]:
    """A layer's outputs by the names under which a stack exports them."""
    return {info.encode_name: getattr(outputs, info.name) for info in msgspec.structs.fields(outputs)}


def document(outputs: Struct) -> dict[str, Any]:
    """What a layer's JSON document in SSM holds: its contract's name and version, and its outputs."""
    return {CONTRACT_FIELD: contract_of(type(outputs)), **exports(outputs)}


def read(layer: type[LayerOutputs], reference: StackReader) -> LayerOutputs:
    """Return a layer's outputs, as Pulumi outputs, from the stack that `reference` names.

    An output that the stack lacks raises MissingOutputError as its value is asked for.
    """

    def output(name: str) -> Any:
        return reference.name.apply(
            lambda stack: reference.get_output(name).apply(lambda value: _require(value, layer, name, str(stack)))
        )

    return layer(**{info.name: output(info.encode_name) for info in msgspec.structs.fields(layer)})


def _require(value: Any, layer: type[Struct], name: str, stack: str) -> Any:
    if value is not None:
        return value
    contract = contract_of(layer)
    raise MissingOutputError(
        f"the stack {stack} exports no {name!r}, an output of {contract}: name the stack whose vodstack:layers hold "
        f"{contract.partition('/')[0]!r}, or run `pulumi up` there, if it has never run with that layer or ran with an "
        "older vodstack"
    )


def decode(layer: type[LayerOutputs], document: str | bytes) -> LayerOutputs:
    """A layer's outputs from its JSON document in SSM. Raises MissingOutputError."""
    try:
        return msgspec.json.decode(document, type=layer)
    except msgspec.ValidationError as error:
        raise MissingOutputError(f"this is no {contract_of(layer)} document: {error}") from error
