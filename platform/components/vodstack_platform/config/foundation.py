import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from vodstack_platform.config.alarms import AlarmSettings
from vodstack_platform.config.cognito import CognitoSettings
from vodstack_platform.config.section import Section

_DAY_SECONDS = 86_400
_WIDEST_PREFIX, _NARROWEST_PREFIX = 16, 20
_RETENTION_LIMIT_SECONDS = 14 * _DAY_SECONDS

TableName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,255}$")]
QueueName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,76}$")]
SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")]
RepositoryName = Annotated[str, Field(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$", max_length=200)]


def _network(text: str) -> str:
    network = ipaddress.IPv4Network(text)
    if not _WIDEST_PREFIX <= network.prefixlen <= _NARROWEST_PREFIX:
        raise ValueError(f"{text} is no range from /{_WIDEST_PREFIX} to /{_NARROWEST_PREFIX}")
    return text


Cidr = Annotated[str, AfterValidator(_network)]


class BucketSettings(Section):
    """The bucket of originals and renditions."""

    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,19}$")] = "vodstack"
    """Start of the bucket's name. The stack's name and a unique suffix follow, for names are shared by all of AWS."""
    cors_origins: tuple[Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.*\[\]:-]+)$")], ...] = ("*",)
    """Origins of web pages that may upload by presigned URLs, such as `https://app.example`. Where there are any, all
    may play by them: browsers that the API leads to the bucket give their origin as `null`."""
    versioned: bool = False
    """Keep overwritten and deleted objects for `noncurrentDays`. It doubles the storage of whatever is replaced."""
    noncurrent_days: Annotated[int, Field(ge=1, le=3650)] = 7
    """Days that a noncurrent version is kept, where `versioned`."""
    infrequent_access_days: Annotated[int, Field(ge=30, le=3650)] | None = 30
    """Days after which an original moves to the cheaper Standard-IA class: it is read again only on redrive."""
    abort_multipart_days: Annotated[int, Field(ge=1, le=365)] = 2
    """Days after which an unfinished multipart upload is aborted and its parts are freed."""
    force_destroy: bool = False
    """Let `pulumi destroy` delete a bucket that still holds videos. For throw-away stacks."""


class TableSettings(Section):
    """The DynamoDB tables."""

    videos: TableName = "twelve-labs-videos"
    """Name of the videos table."""
    work: TableName = "twelve-labs-work"
    """Name of the work table."""
    point_in_time_recovery: bool = True
    """Allow restoring the tables to any second of the last 35 days."""
    deletion_protection: bool = True
    """Make DynamoDB itself refuse to delete the tables, whoever asks. Turn it off in an `up` before a `destroy`."""


class QueueSettings(Section):
    """The SQS queues, each with a dead-letter queue."""

    arrivals: QueueName = "video-processing-queue"
    """Name of the queue of originals that arrived. Its dead-letter queue adds `-dlq`."""
    chunks: QueueName = "video-chunks-queue"
    """Name of the queue of chunk jobs. Its dead-letter queue adds `-dlq`."""
    visibility_timeout_seconds: Annotated[int, Field(ge=4, le=43_200)] = 120
    """Seconds a message stays hidden after it is received, unless the worker's heartbeat extends it (ADR 0007)."""
    max_receive_count: Annotated[int, Field(ge=20, le=1000)] = 20
    """Receives before a message goes to the dead-letter queue. Interruptions count, hence at least 20 (ADR 0007)."""
    retention_seconds: Annotated[int, Field(ge=3600, lt=_RETENTION_LIMIT_SECONDS)] = 4 * _DAY_SECONDS
    """Seconds that a message waits before SQS drops it. Less than `dlqRetentionSeconds` (ADR 0007)."""
    dlq_retention_seconds: Annotated[int, Field(ge=3600, le=_RETENTION_LIMIT_SECONDS)] = _RETENTION_LIMIT_SECONDS
    """Seconds that a dead letter is kept, counted from its first arrival in the source queue."""

    @model_validator(mode="after")
    def _dead_letters_outlive_messages(self) -> "QueueSettings":
        if self.dlq_retention_seconds <= self.retention_seconds:
            raise ValueError("dlqRetentionSeconds must exceed retentionSeconds, or dead letters expire on arrival")
        return self


class RegistrySettings(Section):
    """The image repositories in ECR."""

    api: RepositoryName = "twelve-labs/api"
    """Name of the API's image repository."""
    worker: RepositoryName = "twelve-labs/video-processor"
    """Name of the worker's image repository."""
    keep_images: Annotated[int, Field(ge=2, le=1000)] = 30
    """Images that each repository keeps; older ones are expired."""


class ExistingNetworkSettings(Section):
    """A VPC of the user's own."""

    vpc_id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]+$")]
    """Its id."""
    private_subnet_ids: Annotated[tuple[SubnetId, ...], Field(min_length=2)]
    """Subnets of the nodes, in at least two zones, with a way out."""
    public_subnet_ids: tuple[SubnetId, ...] = ()
    """Subnets of load balancers that face the internet, tagged `kubernetes.io/role/elb`."""
    route_table_ids: tuple[Annotated[str, Field(pattern=r"^rtb-[0-9a-f]+$")], ...] = ()
    """Route tables that get gateway endpoints for S3 and DynamoDB. Leave it empty where the VPC has them."""


class NetworkSettings(Section):
    """The VPC that the cluster runs in."""

    mode: Literal["create", "existing", "none"] = "create"
    """`create` a VPC, use an `existing` one, or `none` where the cluster is not vodstack's."""
    cidr: Cidr = "10.0.0.0/16"
    """Address range of the VPC, from /16 to /20."""
    zones: Annotated[int, Field(ge=2, le=3)] = 2
    """Availability zones that it spans."""
    zone_names: tuple[str, ...] = ()
    """The zones by name. Without it, the first `zones` of the region in the order of their names."""
    egress: Literal["single-nat", "nat-per-zone"] = "single-nat"
    """`single-nat` is cheap, and its zone's failure cuts every node off the internet; `nat-per-zone` survives that."""
    existing: ExistingNetworkSettings | None = None
    """The VPC to use where `mode` is `existing`."""

    @model_validator(mode="after")
    def _modes_are_whole(self) -> "NetworkSettings":
        if (self.mode == "existing") != (self.existing is not None):
            raise ValueError("mode existing and the key existing go together: give both or neither")
        if self.zone_names and len(self.zone_names) != self.zones:
            raise ValueError(f"zoneNames names {len(self.zone_names)} zones, yet zones is {self.zones}")
        return self


class KeySettings(Section):
    """The KMS key that encrypts the bucket, the queues, the tables and the cluster's secrets."""

    deletion_window_days: Annotated[int, Field(ge=7, le=30)] = 30
    """Days between the key's deletion and its end, in which it can be brought back."""


class GithubSettings(Section):
    """The repository whose workflows preview and deploy this stack, by roles that the foundation makes."""

    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    """The repository on GitHub, as `owner/name`."""
    owner_id: Annotated[int, Field(gt=0)]
    """GitHub's number of the owner, which stays when names change hands: `gh api repos/OWNER/NAME --jq .owner.id`."""
    repository_id: Annotated[int, Field(gt=0)]
    """GitHub's number of the repository: `gh api repos/OWNER/NAME --jq .id`."""
    environment: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")] = "dev"
    """The GitHub environment whose jobs may deploy."""
    create_oidc_provider: bool = True
    """Make GitHub's OIDC provider. An account has room for one: false where another stack or team has made it."""
    state_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$")] | None = None
    """Folder of the state in its bucket, as in the backend's URL. Without it, the stack's name."""


class FoundationSettings(Section):
    """What holds data, and the network around it."""

    protect: bool = True
    """Make Pulumi refuse to delete what holds data (bucket, tables, key). Turn it off in an `up` before a `destroy`."""
    network: NetworkSettings = NetworkSettings()
    """The VPC that the cluster runs in."""
    key: KeySettings = KeySettings()
    """The key that encrypts all data at rest."""
    github: GithubSettings | None = None
    """Delivery from GitHub; unset: no roles. A cluster in another stack admits them by its `apiServer.admins`."""
    bucket: BucketSettings = BucketSettings()
    """The bucket of originals and renditions."""
    tables: TableSettings = TableSettings()
    """The DynamoDB tables."""
    queues: QueueSettings = QueueSettings()
    """The SQS queues."""
    alarms: AlarmSettings | None = None
    """Alarms outside the cluster. Unset: none."""
    cognito: CognitoSettings | None = None
    """An issuer of tokens made by the program. Unset: none; `services.oidc` names one of your own."""
    registries: RegistrySettings = RegistrySettings()
    """The image registries (ECR)."""
