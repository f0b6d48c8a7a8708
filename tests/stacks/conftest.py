"""The real program, run by the embedded engine for each layer set and config alternative."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vodstack_platform.embedded.deployed import Deployed
from vodstack_platform.embedded.engine import run_program

PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LAPTOP = {"existing": {"name": "laptop"}}
ELSEWHERE = {
    "organization/vodstack/data": {
        "region": "eu-west-1",
        "vpcId": "vpc-0a",
        "privateSubnetIds": "subnet-0a,subnet-0b",
        "publicSubnetIds": "",
        "keyArn": "arn:aws:kms:eu-west-1:111111111111:key/k",
        "bucketName": "videos-elsewhere",
        "bucketArn": "arn:aws:s3:::videos-elsewhere",
        "videosTableName": "videos",
        "videosTableArn": "arn:aws:dynamodb:eu-west-1:111111111111:table/videos",
        "workTableName": "work",
        "workTableArn": "arn:aws:dynamodb:eu-west-1:111111111111:table/work",
        "arrivalsQueueUrl": "https://sqs.eu-west-1.amazonaws.com/111111111111/arrivals",
        "arrivalsQueueArn": "arn:aws:sqs:eu-west-1:111111111111:arrivals",
        "arrivalsDlqUrl": "https://sqs.eu-west-1.amazonaws.com/111111111111/arrivals-dlq",
        "arrivalsDlqArn": "arn:aws:sqs:eu-west-1:111111111111:arrivals-dlq",
        "arrivalsVisibilitySeconds": "90",
        "chunksQueueUrl": "https://sqs.eu-west-1.amazonaws.com/111111111111/chunks",
        "chunksQueueArn": "arn:aws:sqs:eu-west-1:111111111111:chunks",
        "chunksDlqUrl": "https://sqs.eu-west-1.amazonaws.com/111111111111/chunks-dlq",
        "chunksDlqArn": "arn:aws:sqs:eu-west-1:111111111111:chunks-dlq",
        "apiRepositoryUrl": "111111111111.dkr.ecr.eu-west-1.amazonaws.com/api",
        "workerRepositoryUrl": "111111111111.dkr.ecr.eu-west-1.amazonaws.com/worker",
        "deployRoleArn": "",
        "previewRoleArn": "",
        "tokenIssuer": "",
        "tokenClientIds": "",
        "tokenScopePrefix": "",
        "tokenUrl": "",
    },
    "organization/vodstack/platform": {
        "clusterName": "shared",
        "kubeconfig": '{"kind": "Config"}',
        "storageClass": "gp3",
    },
}


@dataclass(frozen=True)
class Alternative:
    """A stack's config with changes to it."""

    stack: str
    changes: Mapping[str, object] = field(default_factory=dict)

    @property
    def known(self) -> Deployed:
        return _run(self.stack, _Frozen(self.changes), preview=False)

    @property
    def unknown(self) -> Deployed:
        return _run(self.stack, _Frozen(self.changes), preview=True)

    def run_again(self) -> Deployed:
        return _run.__wrapped__(self.stack, _Frozen(self.changes), preview=False)


class _Frozen(dict[str, object]):
    """A mapping that can be a key of the cache: alternatives are constants."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


@functools.cache
def _run(stack: str, changes: _Frozen, *, preview: bool) -> Deployed:
    return run_program(
        stack,
        project=PROJECT,
        endpoint=None,
        config_overrides={f"vodstack:{key}": value for key, value in changes.items()},
        preview=preview,
        references=ELSEWHERE,
    )


ALTERNATIVES = {
    "dev": Alternative("dev"),
    "dev with all that it leaves out": Alternative(
        "dev",
        {
            "foundation": {
                "cognito": {"domain": "our-videos", "machineScopes": ["videos:read"], "tokenMinutes": 15},
                "github": {"repository": "team/videos", "ownerId": 11, "repositoryId": 22, "environment": "dev"},
            },
            "cluster": {"karpenter": {"maxCpu": 32, "diskSizeGib": 80}},
            "services": {
                "auth": "cognito",
                "api": {"corsOrigins": ["https://pages.example"]},
                "images": {"build": True, "platforms": ["linux/arm64", "linux/amd64"]},
                "exposure": {
                    "mode": "ingress",
                    "sourceRanges": ["198.51.100.0/24", "203.0.113.0/24"],
                    "certificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/c",
                    "host": "videos.example.com",
                },
            },
        },
    ),
    "local": Alternative("local"),
    "emulator": Alternative("emulator"),
    "foundation with a NAT gateway a zone": Alternative(
        "emulator",
        {
            "foundation": {
                "network": {
                    "zones": 3,
                    "zoneNames": ["us-east-1a", "us-east-1b", "us-east-1d"],
                    "egress": "nat-per-zone",
                },
                "bucket": {"versioned": True, "infrequentAccessDays": None},
            }
        },
    ),
    "foundation in an existing network": Alternative(
        "emulator",
        {
            "foundation": {
                "network": {
                    "mode": "existing",
                    "existing": {
                        "vpcId": "vpc-0a",
                        "privateSubnetIds": ["subnet-0a", "subnet-0b"],
                        "routeTableIds": ["rtb-0a"],
                    },
                }
            }
        },
    ),
    "cluster of a foundation elsewhere": Alternative(
        "dev",
        {
            "layers": ["cluster"],
            "references": {"foundation": "organization/vodstack/data"},
            "cluster": {
                "apiServer": {"admins": ["arn:aws:iam::111111111111:role/ops"]},
                "nodes": {"capacity": "ON_DEMAND"},
                "addonVersions": {"coredns": "v1.12.1-eksbuild.2"},
            },
        },
    ),
    "services of layers elsewhere": Alternative(
        "dev",
        {
            "layers": ["services"],
            "references": {
                "foundation": "organization/vodstack/data",
                "cluster": "organization/vodstack/platform",
            },
            "services": {
                "auth": "none",
                "exposure": {
                    "mode": "load-balancer",
                    "sourceRanges": ["198.51.100.0/24"],
                    "certificateArn": "arn:aws:acm:eu-west-1:111111111111:certificate/c",
                },
                "images": {"api": "registry.example/api@sha256:" + "0" * 64, "worker": "registry.example/worker:1"},
                "worker": {
                    "jobs": 2,
                    "resources": {"cpu": "2", "memory": "2Gi"},
                    "scaling": {"maxReplicas": 20, "installKeda": False},
                },
            },
        },
    ),
    "monitoring of a cluster elsewhere": Alternative(
        "dev",
        {
            "layers": ["monitoring"],
            "references": {"cluster": "organization/vodstack/platform"},
            "monitoring": {"prometheus": {"retentionDays": 3, "volumeGib": 50}},
            "services": {"namespace": "films"},
        },
    ),
    "services in a cluster of the user's own": Alternative(
        "dev",
        {
            "layers": ["foundation", "services"],
            "cluster": {"existing": {"name": "own", "kubeconfig": "apiVersion: v1"}},
        },
    ),
}


# What these take on has tests of its own beside.
RARE = {
    "foundation with a NAT gateway a zone",
    "foundation in an existing network",
    "monitoring of a cluster elsewhere",
}


@pytest.fixture(
    params=[
        pytest.param(alternative, id=name, marks=[pytest.mark.prove] if name in RARE else [])
        for name, alternative in ALTERNATIVES.items()
    ]
)
def alternative(request: pytest.FixtureRequest) -> Alternative:
    return request.param


@pytest.fixture(scope="session")
def run() -> Callable[..., Deployed]:
    """Run a stack's program with changes to its config, all values known."""

    def run_changed(stack: str, **changes: Any) -> Deployed:
        return Alternative(stack, changes).known

    return run_changed


@pytest.fixture(scope="session")
def everything() -> Deployed:
    """A stack with all that the program can make of one: delivery, issuer, Karpenter, built images, load balancer."""
    return ALTERNATIVES["dev with all that it leaves out"].known


@pytest.fixture(scope="session")
def dev() -> Deployed:
    return ALTERNATIVES["dev"].known


def pod_and_container(deployed: Deployed, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What runs a service: its pod, and the one container in it."""
    pod = deployed.one("kubernetes:apps/v1:Deployment", name).inputs["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def environment_of(deployed: Deployed, name: str = "api") -> dict[str, Any]:
    """A service's variables; None for one whose value comes from elsewhere."""
    return {each["name"]: each.get("value") for each in pod_and_container(deployed, name)[1]["env"]}
