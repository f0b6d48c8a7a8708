"""The layer that holds data, resource by resource."""

import ipaddress
import json

import pytest

from vodstack_platform.config.foundation import BucketSettings, NetworkSettings
from vodstack_platform.network import subnet_ranges
from vodstack_platform.video_bucket import name_prefix

HOLDING_DATA = ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:kms/key:Key")


def test_what_holds_data_is_protected_by_default(dev):
    for resource_type in HOLDING_DATA:
        for resource in dev.of_type(resource_type):
            assert resource.protect, resource.urn
    for table in dev.of_type("aws:dynamodb/table:Table"):
        assert table.inputs["deletionProtectionEnabled"]
        assert table.inputs["pointInTimeRecovery"] == {"enabled": True}
    assert (
        "forceDestroy" not in dev.one("aws:s3/bucket:Bucket").inputs
        or not dev.one("aws:s3/bucket:Bucket").inputs["forceDestroy"]
    )


@pytest.mark.parametrize(
    "kind",
    [
        "BucketPublicAccessBlock",
        "BucketOwnershipControls",
        "BucketPolicy",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
    ],
)
def test_a_bucket_that_stays_when_the_rest_is_removed_stays_as_closed_as_it_was(dev, kind):
    token = f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}"
    (of_videos,) = [each for each in dev.of_type(token) if each.name.startswith("videos-")]
    assert of_videos.protect


def test_the_laptops_stack_can_be_destroyed(run):
    local = run("local")
    assert not [resource.urn for resource in local.resources if resource.protect]
    assert local.one("aws:s3/bucket:Bucket").inputs["forceDestroy"]


def test_the_bucket_tells_the_arrivals_queue_of_originals_once_the_queue_listens(dev):
    notification = dev.one("aws:s3/bucketNotification:BucketNotification")
    arrivals = dev.one("aws:sqs/queue:Queue", "arrivals")
    (target,) = notification.inputs["queues"]
    assert target["queueArn"] == arrivals.outputs["arn"]
    assert target["filterPrefix"] == "originals/"
    assert target["events"] == ["s3:ObjectCreated:*"]
    assert dev.one("aws:sqs/queuePolicy:QueuePolicy").urn in notification.dependencies


def test_only_this_bucket_of_this_account_may_send_to_the_arrivals_queue(dev):
    (statement,) = json.loads(dev.one("aws:sqs/queuePolicy:QueuePolicy").inputs["policy"])["Statement"]
    bucket = dev.one("aws:s3/bucket:Bucket")
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == ["sqs:SendMessage"]
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": bucket.outputs["arn"]},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


@pytest.mark.parametrize("name", ["arrivals", "chunks"])
def test_a_queue_gives_interrupted_work_back_often_and_dead_letters_outlive_it(dev, name):
    queue, dead_letters = dev.one("aws:sqs/queue:Queue", name), dev.one("aws:sqs/queue:Queue", f"{name}-dlq")
    redrive = json.loads(queue.inputs["redrivePolicy"])
    assert redrive == {"deadLetterTargetArn": dead_letters.outputs["arn"], "maxReceiveCount": 20}
    assert dead_letters.inputs["messageRetentionSeconds"] > queue.inputs["messageRetentionSeconds"]
    assert queue.inputs["visibilityTimeoutSeconds"] == 120
    allowed = dev.one("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", f"{name}-redrive")
    assert json.loads(allowed.inputs["redriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [queue.outputs["arn"]],
    }


def test_all_data_is_encrypted_by_the_stacks_key(dev):
    key = dev.one("aws:kms/key:Key")
    assert key.inputs["enableKeyRotation"]
    arn = key.outputs["arn"]
    assert {queue.inputs["kmsMasterKeyId"] for queue in dev.of_type("aws:sqs/queue:Queue")} == {arn}
    assert {t.inputs["serverSideEncryption"]["kmsKeyArn"] for t in dev.of_type("aws:dynamodb/table:Table")} == {arn}
    encryption = dev.of_type("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    (rule,) = encryption[0].inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"kmsMasterKeyId": arn, "sseAlgorithm": "aws:kms"}
    assert rule["bucketKeyEnabled"]
    for repository in dev.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": arn}]


def test_the_key_lets_bucket_events_into_encrypted_queues(dev):
    statements = json.loads(dev.one("aws:kms/key:Key").inputs["policy"])["Statement"]
    (events,) = [statement for statement in statements if statement["Principal"] == {"Service": "s3.amazonaws.com"}]
    assert events["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert events["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_bucket_is_closed_to_the_public_and_to_plain_http(dev):
    block = dev.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert [
        block[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ] == [True] * 4
    (statement,) = json.loads(dev.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ownership = dev.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls")
    assert ownership.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


@pytest.mark.parametrize(
    ("stack", "prefix"),
    [("dev", "vodstack-dev-"), ("Team_A.prod", "vodstack-team-a-prod-"), ("x" * 60, f"vodstack-{'x' * 27}-")],
)
def test_a_bucket_name_starts_with_what_s3_takes_of_the_stacks_name(stack, prefix):
    assert name_prefix(BucketSettings(), stack) == prefix
    assert len(prefix) <= 37


def test_stale_uploads_are_freed_and_originals_age(dev):
    lifecycle = dev.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    rules = {rule["id"]: rule for rule in lifecycle.inputs["rules"]}
    assert rules["abort-stale-uploads"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 2}
    assert rules["age-originals"]["filter"] == {"prefix": "originals/"}
    assert "expire-noncurrent" not in rules


@pytest.fixture(scope="module")
def unlike_dev(run):
    bucket = {"versioned": True, "noncurrentDays": 3, "corsOrigins": ["https://app.example"]}
    return run("emulator", foundation={"bucket": bucket})


def test_a_versioned_bucket_expires_what_was_replaced(unlike_dev):
    lifecycle = unlike_dev.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    (rule,) = [rule for rule in lifecycle.inputs["rules"] if rule["id"] == "expire-noncurrent"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 3}
    assert unlike_dev.one("aws:s3/bucketVersioning:BucketVersioning").inputs["versioningConfiguration"] == {
        "status": "Enabled"
    }


def test_pages_of_named_origins_upload_and_all_play(unlike_dev):
    """A browser that the API has led to the bucket names its page's origin `null`."""
    cors = unlike_dev.one("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration")
    allowed = {method: rule["allowedOrigins"] for rule in cors.inputs["corsRules"] for method in rule["allowedMethods"]}
    assert allowed == {"GET": ["*"], "HEAD": ["*"], "PUT": ["https://app.example"]}


def test_the_videos_table_lists_by_owner_and_both_forget_what_expired(dev):
    videos, work = dev.one("aws:dynamodb/table:Table", "videos"), dev.one("aws:dynamodb/table:Table", "work")
    assert videos.inputs["name"] == "twelve-labs-videos"
    assert videos.inputs["hashKey"] == "video_id"
    (index,) = videos.inputs["globalSecondaryIndexes"]
    assert index["name"] == "by-owner"
    assert [key["attributeName"] for key in index["keySchemas"]] == ["owner", "upload_date"]
    assert (work.inputs["hashKey"], work.inputs["rangeKey"]) == ("pk", "sk")
    for table in (videos, work):
        assert table.inputs["ttl"] == {"attributeName": "expires_at", "enabled": True}
        assert table.inputs["billingMode"] == "PAY_PER_REQUEST"


def test_image_tags_never_move_but_for_the_build_caches(dev):
    for repository in dev.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert repository.inputs["imageTagMutabilityExclusionFilters"] == [
            {"filter": "build-cache", "filterType": "WILDCARD"}
        ]
        assert repository.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
    assert {r.inputs["name"] for r in dev.of_type("aws:ecr/repository:Repository")} == {
        "twelve-labs/api",
        "twelve-labs/video-processor",
    }


@pytest.mark.parametrize(("egress", "gateways"), [("single-nat", 1), ("nat-per-zone", 3)])
def test_egress_decides_on_the_number_of_nat_gateways(run, egress, gateways):
    deployed = run("emulator", foundation={"network": {"zones": 3, "egress": egress}})
    nats = deployed.of_type("aws:ec2/natGateway:NatGateway")
    assert len(nats) == gateways
    ways_out = {r.inputs["natGatewayId"] for r in deployed.of_type("aws:ec2/route:Route") if "natGatewayId" in r.inputs}
    assert ways_out == {nat.id for nat in nats}
    assert len(deployed.of_type("aws:ec2/subnet:Subnet")) == 6


def test_every_route_table_reaches_s3_and_dynamodb_by_gateway_endpoints(dev):
    tables = {table.id for table in dev.of_type("aws:ec2/routeTable:RouteTable")}
    endpoints = dev.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert {e.inputs["serviceName"] for e in endpoints} == {
        "com.amazonaws.us-east-1.s3",
        "com.amazonaws.us-east-1.dynamodb",
    }
    for endpoint in endpoints:
        assert endpoint.inputs["vpcEndpointType"] == "Gateway"
        assert set(endpoint.inputs["routeTableIds"]) == tables


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "172.16.0.0/20"])
@pytest.mark.parametrize("zones", [2, 3])
def test_subnets_lie_in_the_vpc_and_do_not_overlap(cidr, zones):
    private, public = subnet_ranges(NetworkSettings(cidr=cidr, zones=zones))
    networks = [ipaddress.IPv4Network(each) for each in (*private, *public)]
    assert len(networks) == 2 * zones
    assert all(network.subnet_of(ipaddress.IPv4Network(cidr)) for network in networks)
    assert not [1 for a in networks for b in networks if a is not b and a.overlaps(b)]


def test_an_emulators_stack_calls_nobody_but_the_emulator(run):
    """A service without an endpoint of its own would be asked for at AWS, with throw-away credentials."""
    optional = {"alarms": {"monthlyBudgetUsd": 10}, "cognito": {"deletionProtection": False}}
    emulated = run("emulator", foundation=optional)
    (endpoints,) = json.loads(emulated.one("pulumi:providers:aws").inputs["endpoints"])
    called = {resource.type.split("/")[0].removeprefix("aws:") for resource in emulated.resources}
    services = {name for name in called if ":" not in name} - {"eks"}
    assert services >= {"cognito", "s3", "sns"}
    assert {"cognitoidp" if name == "cognito" else name for name in services} <= {
        name for name, address in endpoints.items() if address == "http://127.0.0.1:5000"
    }
