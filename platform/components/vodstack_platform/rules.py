"""What no stack may hold, judged resource by resource. Free of dependencies: the policy pack and the tests run it.

A value that is not known yet offends no rule; it is judged by the update that knows it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

Props = Mapping[str, Any]
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # Pulumi's word for a text that is not known yet
REQUIRED_TAGS: Final = ("project", "stack", "managed-by")
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_DOCUMENTS = ("policy", "assumeRolePolicy", "keyPolicy")
_CLUSTER_COMPONENT: Final = "eks:index:Cluster"
_POD_OWNERS = ("DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet")


@dataclass(frozen=True)
class Candidate:
    """A resource as it would be made."""

    type: str
    props: Props
    stack: str


@dataclass(frozen=True)
class Rule:
    """`offences` yields a sentence for each."""

    name: str
    description: str
    offences: Callable[[Candidate], Iterator[str]]


def _public_bucket(resource: Candidate) -> Iterator[str]:
    if resource.type.endswith(":BucketPublicAccessBlock"):
        for block in _BLOCKS:
            if resource.props.get(block) not in (True, UNKNOWN):
                yield f"{block} must be true"
    if resource.props.get("acl") in _PUBLIC_ACLS:
        yield f"the ACL {resource.props['acl']} opens the bucket"


def _open_to_all(resource: Candidate) -> Iterator[str]:
    """Of every policy that names whom it lets in: of buckets, queues, topics, keys, registries and roles."""
    for key in _DOCUMENTS:
        for statement in _statements(resource.props.get(key)):
            if statement.get("Effect") != "Allow":
                continue
            if "NotPrincipal" in statement:
                yield "a statement that allows must name whom it lets in"
            if _is_everybody(statement.get("Principal")) and not statement.get("Condition"):
                yield f"{key} lets everybody in"


def _is_everybody(principal: object) -> bool:
    named = [text for value in _mapping(principal).values() for text in _texts(value)]
    return "*" in (principal, *named)


def _unencrypted(resource: Candidate) -> Iterator[str]:
    needed = {
        "aws:sqs/queue:Queue": "kmsMasterKeyId",
        "aws:sns/topic:Topic": "kmsMasterKeyId",
        "aws:dynamodb/table:Table": "serverSideEncryption",
        "aws:ecr/repository:Repository": "encryptionConfigurations",
        "aws:eks/cluster:Cluster": "encryptionConfig",
        _CLUSTER_COMPONENT: "encryptionConfigKeyArn",
    }.get(resource.type)
    if _is_seen_from_within(resource):
        return
    by_sqs_itself = resource.props.get("sqsManagedSseEnabled") in (True, UNKNOWN)
    if needed and not resource.props.get(needed) and not by_sqs_itself:
        yield f"{needed} must name what encrypts it"
    for mapping in _mappings(resource.props.get("blockDeviceMappings")):
        if str(_mapping(mapping.get("ebs")).get("encrypted")).lower() not in ("true", UNKNOWN):
            yield "every disk of a launch template must be encrypted"
    parameters = _mapping(resource.props.get("parameters"))
    if resource.type.endswith(":StorageClass") and parameters.get("encrypted") not in ("true", UNKNOWN):
        yield 'parameters.encrypted must be "true"'


def _wildcard(resource: Candidate) -> Iterator[str]:
    for key in _DOCUMENTS:
        for statement in _statements(resource.props.get(key)):
            if statement.get("Effect") != "Allow":
                continue
            if "NotAction" in statement:
                yield "a statement that allows must name its actions"
            for action in _texts(statement.get("Action")):
                if "*" in action:
                    yield f"the action {action} allows what nobody has named"


def _untagged(resource: Candidate) -> Iterator[str]:
    given = resource.props.get("defaultTags")
    if resource.type != "pulumi:providers:aws" or given == UNKNOWN:
        return
    tags = _mapping(_parsed(given) if isinstance(given, str) else given).get("tags")
    missing = [tag for tag in REQUIRED_TAGS if tags != UNKNOWN and tag not in _mapping(tags)]
    if missing:
        yield f"the provider's default tags lack {', '.join(missing)}"


def _privileged(resource: Candidate) -> Iterator[str]:
    pod = _pod(resource)
    for key in ("hostIPC", "hostNetwork", "hostPID"):
        if pod.get(key) is True:
            yield f"{key} opens the node to the pod"
    for container in _containers(pod):
        context = container.get("securityContext")
        if context == UNKNOWN:
            continue
        if _mapping(context).get("privileged") is True:
            yield f"the container {container.get('name')} is privileged"
        if _mapping(context).get("allowPrivilegeEscalation") not in (False, UNKNOWN):
            yield f"the container {container.get('name')} must not be able to raise its privileges"


def _unpinned(resource: Candidate) -> Iterator[str]:
    if resource.type.startswith("kubernetes:helm.sh/") and not resource.props.get("version"):
        yield "a chart must name its version"
    for container in _containers(_pod(resource)):
        image = str(container.get("image"))
        tag = image.rpartition("/")[2].partition(":")[2]
        if image != UNKNOWN and tag in ("", "latest"):
            yield f"the image {image} must name a tag that stays, best a digest"
    for term in _mappings(_mapping(resource.props.get("spec")).get("amiSelectorTerms")):
        if str(term.get("alias")).endswith("@latest"):
            yield f"the machine image {term['alias']} must name its version"


def _unprotected(resource: Candidate) -> Iterator[str]:
    if not resource.stack.startswith("prod") or _is_seen_from_within(resource):
        return
    needed = {
        "aws:cognito/userPool:UserPool": "deletionProtection",
        "aws:dynamodb/table:Table": "deletionProtectionEnabled",
        "aws:eks/cluster:Cluster": "deletionProtection",
        _CLUSTER_COMPONENT: "deletionProtection",
    }
    key = needed.get(resource.type)
    if key and resource.props.get(key) not in (True, "ACTIVE", UNKNOWN):
        yield f"{key} must be on in production"
    if resource.props.get("forceDestroy") is True or resource.props.get("forceDelete") is True:
        yield "what holds data must not be deleted with it in production"


RULES: Final[Sequence[Rule]] = (
    Rule("no-public-bucket", "Nobody reads a bucket without credentials.", _public_bucket),
    Rule("no-open-policy", "Every policy names whom it lets in.", _open_to_all),
    Rule("encryption", "Whatever holds data is encrypted.", _unencrypted),
    Rule("no-wildcard-iam", "Every action that IAM allows is named.", _wildcard),
    Rule("tags", "Everything taggable says which project and stack it belongs to.", _untagged),
    Rule("no-privileged-pod", "No pod gets more of its node than its own share.", _privileged),
    Rule("pinned", "Charts, images and machine images are the same tomorrow.", _unpinned),
    Rule("deletion-protection", "In production, data is not deleted by accident.", _unprotected),
)


def _is_seen_from_within(resource: Candidate) -> bool:
    """A remote component, as its provider may register it; the control plane below is judged in its place."""
    return resource.type == _CLUSTER_COMPONENT and not resource.props


def _pod(resource: Candidate) -> Props:
    kind = resource.type.rpartition(":")[2]
    if not resource.type.startswith("kubernetes:") or kind not in (*_POD_OWNERS, "Pod"):
        return {}
    spec = _mapping(resource.props.get("spec"))
    return spec if kind == "Pod" else _mapping(_mapping(spec.get("template")).get("spec"))


def _containers(pod: Props) -> Iterator[Props]:
    for key in ("initContainers", "containers"):
        yield from _mappings(pod.get(key))


def _mapping(value: object) -> Props:
    return cast("Props", value) if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Props]:
    for member in cast("list[object]", value) if isinstance(value, list | tuple) else ():
        if isinstance(member, Mapping):
            yield cast("Props", member)


def _statements(document: object) -> Iterator[Props]:
    found: object = _mapping(_parsed(document) if isinstance(document, str) else document).get("Statement")
    single = _mapping(found)
    yield from _mappings([single] if single else found)


def _texts(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in cast("list[object]", value or [])]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
