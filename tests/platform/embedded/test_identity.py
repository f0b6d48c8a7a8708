"""Who a process is to AWS, with IAM enforced: what its role allows works, everything else is denied."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from vodstack_platform.embedded.deployed import Deployed
from vodstack_platform.embedded.emulator import Credentials, running_emulator
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.embedded.errors import EngineError
from vodstack_platform.embedded.identity import Role, assume, environment_for, role_of
from vodstack_platform.embedded.policies import allows, loosened

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Account:
    namespace: str
    service_account: str


@pytest.fixture(scope="module")
def enforced():
    """The local stack with IAM enforced, and the keys of both roles."""
    with running_emulator() as emulator:
        deployed = run_program("local", project=REPOSITORY, endpoint=emulator.endpoint_url)
        keys = {}
        for name in ("api", "worker"):
            keys[name] = assume(known_role(deployed, name), emulator, deployed.region, session=name)
        emulator.enforce_iam()
        yield deployed, emulator, keys


def known_role(deployed: Deployed, service_account: str) -> Role:
    role = role_of(deployed, Account("vodstack", service_account))
    assert role is not None
    return role


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return "AccessDenied" in str(error)
    return False


def test_the_api_writes_originals_and_nothing_else(enforced):
    deployed, emulator, keys = enforced
    s3 = emulator.client("s3", credentials=keys["api"])
    bucket = deployed.outputs["bucketName"]
    assert not refused(s3.put_object, Bucket=bucket, Key="originals/a/source", Body=b"")
    assert refused(s3.put_object, Bucket=bucket, Key="renditions/a/video.mp4", Body=b"")
    assert refused(s3.delete_bucket, Bucket=bucket)


def test_the_api_has_no_business_with_the_queue(enforced):
    deployed, emulator, keys = enforced
    queue = {"QueueUrl": deployed.outputs["arrivalsQueueUrl"]}
    assert refused(emulator.client("sqs", credentials=keys["api"]).receive_message, **queue)
    assert not refused(emulator.client("sqs", credentials=keys["worker"]).receive_message, **queue)


def test_the_worker_sends_chunk_jobs_many_at_a_time(enforced):
    """A call for many asks for the action of one."""
    deployed, emulator, keys = enforced
    batch = {"QueueUrl": deployed.outputs["chunksQueueUrl"], "Entries": [{"Id": "0", "MessageBody": "job"}]}
    assert not refused(emulator.client("sqs", credentials=keys["worker"]).send_message_batch, **batch)
    assert refused(emulator.client("sqs", credentials=keys["api"]).send_message_batch, **batch)


def test_the_worker_reads_originals_and_may_not_change_them(enforced):
    deployed, emulator, keys = enforced
    s3 = emulator.client("s3", credentials=keys["worker"])
    original = {"Bucket": deployed.outputs["bucketName"], "Key": "originals/b/source"}
    assert refused(s3.put_object, Body=b"", **original)
    assert not refused(s3.put_object, Bucket=original["Bucket"], Key="renditions/b/video.mp4", Body=b"")


def test_nobody_deletes_tables(enforced):
    deployed, emulator, keys = enforced
    for credentials in keys.values():
        dynamodb = emulator.client("dynamodb", credentials=credentials)
        assert refused(dynamodb.delete_table, TableName=deployed.outputs["videosTableName"])


def test_strangers_are_turned_away(enforced):
    deployed, emulator, _ = enforced
    with pytest.raises(ClientError, match=r"InvalidAccessKeyId|Forbidden|403"):
        emulator.client("s3").head_bucket(Bucket=deployed.outputs["bucketName"])


def test_the_policy_itself_names_the_tables_that_moto_does_not_look_at(enforced):
    deployed, _, _ = enforced
    role = known_role(deployed, "api")
    assert role.allows("dynamodb:PutItem", deployed.outputs["videosTableArn"])
    assert not role.allows("dynamodb:PutItem", deployed.outputs["videosTableArn"] + "-other")
    assert not role.allows("dynamodb:DeleteTable", deployed.outputs["videosTableArn"])


ELSEWHERE = {
    "DYNAMODB_TABLE": "somebody-elses",
    "VODSTACK_WORK_TABLE": "somebody-elses",
    "SQS_QUEUE_URL": "http://127.0.0.1/123456789012/somebody-elses",
    "VODSTACK_CHUNKS_QUEUE_URL": "http://127.0.0.1/123456789012/somebody-elses",
}


@pytest.mark.parametrize("variable", ELSEWHERE)
def test_a_process_configured_with_what_its_policy_leaves_out_does_not_start(deployed, emulator, variable):
    with pytest.raises(EngineError, match=rf"{variable}=\S*somebody-elses, yet its role's policies leave out or deny"):
        environment_for(deployed, emulator, Account("vodstack", "worker"), {variable: ELSEWHERE[variable]})


def test_a_process_starts_with_all_that_its_deployment_names(deployed, emulator):
    names = {"DYNAMODB_TABLE": "videosTableName", "VODSTACK_WORK_TABLE": "workTableName"}
    names |= {"SQS_QUEUE_URL": "arrivalsQueueUrl", "VODSTACK_CHUNKS_QUEUE_URL": "chunksQueueUrl"}
    configured = {variable: deployed.outputs[output] for variable, output in names.items()}
    assert environment_for(deployed, emulator, Account("vodstack", "worker"), configured)


def test_a_worker_whose_policy_has_lost_the_chunks_does_not_start(deployed, emulator):
    chunks = deployed.outputs["chunksQueueArn"]
    resources = tuple(
        replace(r, inputs={**r.inputs, "policy": r.inputs["policy"].replace(f',"{chunks}"', "")})
        if r.type == "aws:iam/rolePolicy:RolePolicy" and r.name == "worker-policy"
        else r
        for r in deployed.resources
    )
    configured = {"VODSTACK_CHUNKS_QUEUE_URL": deployed.outputs["chunksQueueUrl"]}
    with pytest.raises(EngineError, match="VODSTACK_CHUNKS_QUEUE_URL"):
        environment_for(replace(deployed, resources=resources), emulator, Account("vodstack", "worker"), configured)


def test_a_process_whose_table_is_denied_to_it_does_not_start(deployed, emulator):
    denial = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": deployed.outputs["videosTableArn"]}
    document = json.loads(deployed.one("aws:iam/rolePolicy:RolePolicy", "worker-policy").inputs["policy"])
    denied = json.dumps({**document, "Statement": [*document["Statement"], denial]})
    resources = tuple(
        replace(r, inputs={**r.inputs, "policy": denied}) if r.name == "worker-policy" else r
        for r in deployed.resources
    )
    configured = {"DYNAMODB_TABLE": deployed.outputs["videosTableName"]}
    with pytest.raises(EngineError, match="leave out or deny"):
        environment_for(replace(deployed, resources=resources), emulator, Account("vodstack", "worker"), configured)


ALLOW = {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:ReceiveMessage"], "Resource": ["arn:a", "arn:b*"]}
JUDGED = [
    ([ALLOW], "arn:a", True),
    ([ALLOW], "arn:b1", True),
    ([ALLOW], "arn:c", False),
    ([], "arn:a", False),
    ([ALLOW, {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "arn:a"}], "arn:a", False),
    ([{"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}, ALLOW], "arn:a", False),
    ([ALLOW, {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "arn:c"}], "arn:a", True),
    ([ALLOW, {"Effect": "Deny", "Action": "sqs:PurgeQueue", "Resource": "arn:a"}], "arn:a", True),
    ([{"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": "arn:a"}], "arn:a", False),
]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(("statements", "resource", "expected"), JUDGED)
def test_a_denial_wins_over_every_grant_in_whichever_policy_it_stands(statements, resource, expected, apart):
    groups = [[statement] for statement in statements] if apart else [statements]
    documents = [json.dumps({"Statement": group}) for group in groups]
    assert allows(documents, "sqs:SendMessage", resource) is expected


def test_a_role_that_the_pod_identity_agent_cannot_assume_is_refused(deployed, emulator):
    trust = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "*"}})
    resources = tuple(
        replace(r, inputs={**r.inputs, "assumeRolePolicy": trust}) if r.type == "aws:iam/role:Role" else r
        for r in deployed.resources
    )
    with pytest.raises(EngineError, match=r"does not let pods.eks.amazonaws.com do sts:AssumeRole and sts:TagSession"):
        environment_for(replace(deployed, resources=resources), emulator, Account("vodstack", "api"), {})


def test_a_service_account_without_an_association_gets_no_keys(deployed, emulator):
    assert environment_for(deployed, emulator, Account("vodstack", "default"), {}) == {}


def test_motos_copy_of_a_policy_keeps_s3_and_opens_the_rest():
    document = json.dumps(
        {
            "Statement": [
                {"Effect": "Allow", "Action": ["s3:GetObject", "sqs:SendMessage"], "Resource": ["arn:a", "arn:b"]},
                {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"x": "false"}}},
            ]
        }
    )
    assert loosened(document)["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:a", "arn:b"]},
        {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:SendMessageBatch"], "Resource": "*"},
    ]


def test_keys_of_a_session_reach_a_process_as_its_environment():
    keys = Credentials(access_key_id="a", secret_access_key="b", session_token="c")
    assert keys.environment == {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}


def test_a_presigned_url_is_judged_by_its_signer_its_signature_and_its_time(enforced):
    deployed, emulator, keys = enforced
    s3 = emulator.client("s3", credentials=keys["api"])
    original = {"Bucket": deployed.outputs["bucketName"], "Key": "originals/c/source"}
    rendition = original | {"Key": "renditions/c/video.mp4"}
    s3.put_object(Body=b"bytes", **original)
    url = s3.generate_presigned_url("get_object", Params=original)
    assert httpx.get(url).content == b"bytes"
    assert httpx.get(url.replace("originals/c", "originals/d")).status_code == 403
    assert httpx.get(s3.generate_presigned_url("get_object", Params=original, ExpiresIn=-1)).status_code == 403
    assert httpx.put(s3.generate_presigned_url("put_object", Params=rendition), content=b"x").status_code == 403
