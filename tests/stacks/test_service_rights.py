"""What the services may do to AWS, row by row, and whom the policies of resources let in."""

import pytest
from tests.policy_judge import Call, admits, denies, may

from vodstack_platform.embedded.identity import role_by_arn

ACCOUNT, REGION = "123456789012", "us-east-1"
VIA_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
VIA_EC2 = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"

# Action, the resource by its word below, facts, and the answer for the API and for the worker.
SERVICES = [
    ("s3:PutObject", "original", {}, True, False),
    ("s3:GetObject", "original", {}, True, True),
    ("s3:DeleteObject", "original", {}, True, False),
    ("s3:AbortMultipartUpload", "original", {}, True, False),
    ("s3:ListMultipartUploadParts", "original", {}, True, False),
    ("s3:PutObject", "rendition", {}, False, True),
    ("s3:GetObject", "rendition", {}, True, True),
    ("s3:DeleteObject", "rendition", {}, True, True),
    ("s3:AbortMultipartUpload", "rendition", {}, False, True),
    ("s3:ListMultipartUploadParts", "rendition", {}, False, False),
    *[(f"s3:{each}Object", "elsewhere", {}, False, False) for each in ("Put", "Get", "Delete")],
    *[(f"s3:{each}", "bucket", {}, True, True) for each in ("ListBucket", "ListBucketMultipartUploads")],
    *[(f"s3:{each}", "bucket", {}, False, False) for each in ("PutBucketPolicy", "DeleteBucket", "GetBucketPolicy")],
    *[(f"s3:{each}", "another bucket", {}, False, False) for each in ("ListBucket", "ListBucketMultipartUploads")],
    ("dynamodb:Query", "index", {}, True, False),
    ("dynamodb:Query", "another index", {}, False, False),
    ("dynamodb:Query", "videos", {}, False, False),
    ("dynamodb:Query", "work", {}, False, True),
    ("dynamodb:Scan", "videos", {}, False, True),
    ("dynamodb:Scan", "index", {}, False, False),
    ("dynamodb:Scan", "work", {}, False, False),
    ("dynamodb:GetItem", "videos", {}, True, True),
    ("dynamodb:UpdateItem", "videos", {}, True, True),
    ("dynamodb:PutItem", "videos", {}, True, False),
    ("dynamodb:DeleteItem", "videos", {}, True, False),
    *[(f"dynamodb:{each}Item", "work", {}, True, True) for each in ("Get", "Put", "Update", "Delete")],
    *[(f"dynamodb:{each}Item", "another table", {}, False, False) for each in ("Get", "Put", "Update", "Delete")],
    ("dynamodb:DeleteTable", "videos", {}, False, False),
    *[
        (f"sqs:{action}", queue, {}, False, True)
        for action in (
            "ReceiveMessage",
            "DeleteMessage",
            "ChangeMessageVisibility",
            "SendMessage",
            "GetQueueAttributes",
        )
        for queue in ("arrivals", "chunks")
    ],
    *[(f"sqs:{action}", "dead letters", {}, False, False) for action in ("ReceiveMessage", "SendMessage")],
    ("sqs:PurgeQueue", "arrivals", {}, False, False),
    *[(f"kms:{each}", "key", VIA_S3, True, True) for each in ("Decrypt", "GenerateDataKey")],
    *[(f"kms:{each}", "key", {}, False, False) for each in ("Decrypt", "GenerateDataKey")],
    ("kms:Decrypt", "key", VIA_EC2, False, False),
    ("kms:Decrypt", "key", {"kms:ViaService": f"sqs.{REGION}.amazonaws.com"}, False, True),
    ("kms:Decrypt", "another key", VIA_S3, False, False),
    ("kms:CreateGrant", "key", VIA_S3, False, False),
    ("sts:AssumeRole", "role", {}, False, False),
    ("iam:PassRole", "role", {}, False, False),
]


@pytest.fixture(scope="module")
def named(everything):
    out = everything.outputs
    return {
        "bucket": out["bucketArn"],
        "another bucket": f"{out['bucketArn']}-2",
        "original": f"{out['bucketArn']}/originals/a/source",
        "rendition": f"{out['bucketArn']}/renditions/a/hls/a.m3u8",
        "elsewhere": f"{out['bucketArn']}/a",
        "videos": out["videosTableArn"],
        "work": out["workTableArn"],
        "another table": f"{out['videosTableArn']}-2",
        "index": f"{out['videosTableArn']}/index/by-owner",
        "another index": f"{out['videosTableArn']}/index/by-title",
        "arrivals": out["arrivalsQueueArn"],
        "chunks": out["chunksQueueArn"],
        "dead letters": out["arrivalsDlqArn"],
        "key": out["keyArn"],
        "another key": f"{out['keyArn']}0",
        "role": out["workerRoleArn"],
    }


def _policies(everything, name):
    return role_by_arn(everything, everything.one("aws:iam/role:Role", name).outputs["arn"]).policies


@pytest.mark.parametrize(("name", "column"), [("api", 3), ("worker", 4)])
def test_each_service_may_do_what_its_row_says(everything, named, name, column):
    policies = _policies(everything, name)
    wrong = [row for row in SERVICES if may(policies, Call(row[0], named[row[1]], row[2])) is not row[column]]
    assert wrong == []


@pytest.mark.parametrize("name", ["videos-tls", "access-logs-writers"])
def test_a_bucket_and_its_objects_are_closed_to_plain_http(everything, name):
    policy = everything.one("aws:s3/bucketPolicy:BucketPolicy", name)
    arn = f"arn:aws:s3:::{policy.inputs['bucket']}"
    anybody = ("AWS", f"arn:aws:iam::{ACCOUNT}:role/admin")
    for action, resource in (
        ("s3:GetObject", f"{arn}/originals/a"),
        ("s3:PutObject", f"{arn}/originals/a"),
        ("s3:ListBucket", arn),
        ("s3:PutBucketPolicy", arn),
    ):
        plain, safe = ({"aws:SecureTransport": value} for value in ("false", "true"))
        assert denies(policy.inputs["policy"], anybody, Call(action, resource, plain)), (action, resource)
        assert not denies(policy.inputs["policy"], anybody, Call(action, resource, safe)), (action, resource)


S3 = ("Service", "s3.amazonaws.com")


def test_only_events_of_the_stacks_own_bucket_reach_the_queue(everything, named):
    document = everything.one("aws:sqs/queuePolicy:QueuePolicy", "arrivals-events").inputs["policy"]
    facts = {"aws:SourceArn": named["bucket"], "aws:SourceAccount": ACCOUNT}
    rows = [
        (S3, facts, True),
        (S3, facts | {"aws:SourceArn": named["another bucket"]}, False),
        (S3, facts | {"aws:SourceAccount": "210987654321"}, False),
        (S3, {}, False),
        (("Service", "sns.amazonaws.com"), facts, False),
        (("AWS", "arn:aws:iam::210987654321:root"), facts, False),
    ]
    for principal, given, expected in rows:
        assert admits(document, principal, Call("sqs:SendMessage", named["arrivals"], given)) is expected
        assert not admits(document, principal, Call("sqs:ReceiveMessage", named["arrivals"], given))


def test_the_key_is_for_the_account_and_for_services_that_send_on_its_behalf(everything):
    document = everything.one("aws:kms/key:Key").inputs["policy"]
    account, stranger = (("AWS", f"arn:aws:iam::{number}:root") for number in (ACCOUNT, "210987654321"))
    own, others = ({"aws:SourceAccount": number} for number in (ACCOUNT, "210987654321"))
    assert admits(document, account, Call("kms:PutKeyPolicy", "*"))
    assert not admits(document, stranger, Call("kms:Decrypt", "*"))
    assert admits(document, S3, Call("kms:GenerateDataKey", "*", own))
    assert not admits(document, S3, Call("kms:GenerateDataKey", "*", others))
    assert not admits(document, S3, Call("kms:GenerateDataKey", "*"))
    assert not admits(document, S3, Call("kms:PutKeyPolicy", "*", own))


def test_only_load_balancers_of_this_account_write_logs(everything):
    policy = everything.one("aws:s3/bucketPolicy:BucketPolicy", "access-logs-writers")
    sender = ("Service", "logdelivery.elasticloadbalancing.amazonaws.com")
    place = f"arn:aws:s3:::{policy.inputs['bucket']}/api/AWSLogs/{ACCOUNT}/a"
    own = {"aws:SourceArn": f"{ELB}:loadbalancer/app/a/1", "aws:SecureTransport": "true"}
    others = own | {"aws:SourceArn": own["aws:SourceArn"].replace(ACCOUNT, "210987654321")}
    assert admits(policy.inputs["policy"], sender, Call("s3:PutObject", place, own))
    assert not admits(policy.inputs["policy"], sender, Call("s3:PutObject", place, others))
    assert not admits(policy.inputs["policy"], sender, Call("s3:GetObject", place, own))
    assert not admits(policy.inputs["policy"], sender, Call("s3:PutObject", place.replace("api", "other"), own))


@pytest.mark.parametrize("name", ["api", "worker", "cluster", "nodes", "karpenter", "aws-ebs-csi-driver"])
def test_a_role_is_taken_by_the_one_service_that_it_is_for(everything, name):
    document = everything.one("aws:iam/role:Role", name).inputs["assumeRolePolicy"]
    service = {"cluster": "eks", "nodes": "ec2"}.get(name, "pods.eks")
    for other in ("eks", "ec2", "pods.eks", "lambda"):
        call = Call("sts:AssumeRole", "*")
        assert admits(document, ("Service", f"{other}.amazonaws.com"), call) is (other == service)
    for stranger in (f"arn:aws:iam::{ACCOUNT}:root", "arn:aws:iam::210987654321:root", "*"):
        assert not admits(document, ("AWS", stranger), Call("sts:AssumeRole", "*"))
