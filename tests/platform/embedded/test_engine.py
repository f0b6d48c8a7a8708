"""The engine over small programs of its own, and over the real one."""

import json
import threading
from pathlib import Path

import pytest

from vodstack_contracts.jobs import decode_arrivals
from vodstack_contracts.objects import original_key
from vodstack_contracts.videos import new_video_id
from vodstack_platform.embedded.deployed import Standing
from vodstack_platform.embedded.emulator import running_emulator
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.embedded.errors import ConfigError, EngineError, ManifestError, ProgramError, UnknownTypeError
from vodstack_platform.embedded.wire import UNKNOWN

QUEUES = """
import pulumi, pulumi_aws as aws
dlq = aws.sqs.Queue("dlq")
queue = aws.sqs.Queue("jobs", visibility_timeout_seconds=7, redrive_policy=pulumi.Output.json_dumps(
    {"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 3}), opts=pulumi.ResourceOptions(protect=True))
pulumi.export("url", queue.url)
pulumi.export("nested", {"names": [queue.name]})
pulumi.export("hidden", pulumi.Output.secret("hush"))
"""


def test_resources_come_to_life_in_the_emulator(write_project, emulator):
    result = run_program("test", project=write_project(QUEUES), endpoint=emulator.endpoint_url)
    sqs = emulator.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=result.outputs["url"], AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "7"
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].rpartition(":")[2].startswith("dlq-")
    assert result.summary() == "test: 2 resources, 2 live, 0 recorded"


def test_outputs_are_plain_and_secrets_are_known_for_what_they_are(write_project):
    result = run_program("test", project=write_project(QUEUES), endpoint=None)
    name = result.one("aws:sqs/queue:Queue", "jobs").outputs["name"]
    assert result.outputs["nested"] == {"names": [name]}
    assert result.outputs["hidden"] == "hush"
    assert result.secret_outputs == {"hidden"}
    assert "hush" not in repr(result)


def test_what_is_made_of_a_secret_stays_one(write_project):
    program = """
import pulumi, pulumi_aws as aws, pulumi_random as random
password = random.RandomPassword("door", length=12)
parameter = aws.ssm.Parameter("door", type="SecureString", value=password.result)
pulumi.export("result", password.result)
pulumi.export("value", parameter.value)
pulumi.export("name", parameter.name)
"""
    result = run_program("test", project=write_project(program), endpoint=None)
    assert result.secret_outputs == {"result", "value"}
    assert result.outputs["value"] == result.outputs["result"]
    assert result.one("aws:ssm/parameter:Parameter").secret_inputs == {"value"}


def test_without_an_emulator_everything_is_recorded_as_aws_would_answer(write_project):
    result = run_program("test", project=write_project(QUEUES), endpoint=None)
    assert result.outputs["url"].startswith("https://sqs.us-east-1.amazonaws.com/123456789012/jobs-")
    assert result.summary() == "test: 2 resources, 0 live, 2 recorded"


def test_what_was_asked_of_the_engine_is_kept(write_project):
    queue = run_program("test", project=write_project(QUEUES), endpoint=None).one("aws:sqs/queue:Queue", "jobs")
    assert queue.protect
    assert queue.inputs["visibilityTimeoutSeconds"] == 7
    assert [urn.rpartition("::")[2] for urn in queue.property_dependencies["redrivePolicy"]] == ["dlq"]
    assert queue.parent.endswith("pulumi:pulumi:Stack::sample-test")


def test_two_runs_name_things_alike_and_a_stack_of_another_name_does_not(write_project):
    project = write_project(QUEUES)
    first, second = (run_program("test", project=project, endpoint=None).outputs["url"] for _ in range(2))
    assert first == second
    assert run_program("test", project=project, endpoint=None, name="other").outputs["url"] != first


def test_a_preview_leaves_unknown_what_a_provider_has_yet_to_compute(write_project, emulator):
    project = write_project(QUEUES)
    before = emulator.client("sqs").list_queues().get("QueueUrls", [])
    result = run_program("test", project=project, endpoint=emulator.endpoint_url, preview=True)
    assert result.outputs["url"] is UNKNOWN
    assert result.one("aws:sqs/queue:Queue", "jobs").inputs["redrivePolicy"] is UNKNOWN
    assert emulator.client("sqs").list_queues().get("QueueUrls", []) == before


def test_a_type_that_nobody_taught_the_engine_is_an_error(write_project):
    program = 'import pulumi_aws as aws\naws.apigateway.RestApi("api")'
    with pytest.raises(UnknownTypeError, match=r"aws:apigateway/restApi:RestApi: add .* to a table"):
        run_program("test", project=write_project(program), endpoint=None)


@pytest.mark.parametrize("preview", [True, False])
def test_a_kubernetes_object_with_a_misspelt_field_is_refused(write_project, preview):
    program = """
import pulumi_kubernetes as k8s
k8s.core.v1.Service("api", metadata={"name": "api"}, spec={"ports": [{"port": 80, "targetPrt": "http"}]})
"""
    with pytest.raises(ManifestError, match=r"Service::api: spec.ports.0: .*targetPrt"):
        run_program("test", project=write_project(program), endpoint=None, preview=preview)


def test_a_failing_program_shows_its_own_error_and_no_noise(write_project, capfd, caplog):
    program = QUEUES + '\nqueue.url.apply(lambda url: url + "x")\nraise RuntimeError("the disk is full")'
    with pytest.raises(ProgramError, match="stack 'test' failed: the disk is full") as failure:
        run_program("test", project=write_project(program), endpoint=None)
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_an_error_inside_an_apply_is_the_programs_error(write_project):
    program = QUEUES + '\npulumi.export("bad", queue.url.apply(lambda url: url["host"]))'
    with pytest.raises(ProgramError, match="string indices"):
        run_program("test", project=write_project(program), endpoint=None)


def test_two_resources_of_one_name_are_refused(write_project):
    program = 'import pulumi_aws as aws\naws.sqs.Queue("jobs")\naws.sqs.Queue("jobs")'
    with pytest.raises(EngineError, match=r"two resources have the URN .*jobs"):
        run_program("test", project=write_project(program), endpoint=None)


def test_default_tags_of_the_provider_reach_its_resources(write_project):
    program = """
import pulumi, pulumi_aws as aws
provider = aws.Provider("aws", region="eu-west-1", default_tags={"tags": {"team": "video", "stage": "default"}})
aws.sqs.Queue("jobs", tags={"stage": "own"}, opts=pulumi.ResourceOptions(provider=provider))
"""
    queue = run_program("test", project=write_project(program), endpoint=None).one("aws:sqs/queue:Queue")
    assert queue.outputs["tagsAll"] == {"team": "video", "stage": "own"}
    assert queue.outputs["arn"].startswith("arn:aws:sqs:eu-west-1:")


def test_another_stacks_outputs_are_read_from_what_the_caller_knows(write_project):
    program = """
import pulumi
pulumi.export("bucket", pulumi.StackReference("acme/vodstack/data").require_output("bucketName"))
"""
    project = write_project(program)
    known = {"acme/vodstack/data": {"bucketName": "videos"}}
    assert run_program("test", project=project, endpoint=None, references=known).outputs["bucket"] == "videos"
    with pytest.raises(EngineError, match="acme/vodstack/data is not known here"):
        run_program("test", project=project, endpoint=None)


REPOSITORY = Path(__file__).parents[3]
CONFIG = 'import pulumi\npulumi.export("tree", pulumi.Config().require_object("tree"))'


def test_config_comes_from_the_stack_over_the_projects_defaults_and_overrides_are_merged(write_project):
    project = write_project(
        CONFIG + '\npulumi.export("size", pulumi.Config().require_int("size"))',
        project="config: {size: {type: integer, default: 3}}",
        stack="config: {'sample:tree': {a: {x: 1, y: 2}, b: true}}",
    )
    result = run_program("test", project=project, endpoint=None, config_overrides={"sample:tree": {"a": {"x": 9}}})
    assert result.outputs == {"tree": {"a": {"x": 9, "y": 2}, "b": True}, "size": 3}


def test_an_encrypted_value_is_refused_by_name(write_project):
    project = write_project(CONFIG, stack="config: {'sample:tree': {password: {secure: AAAB}}}")
    with pytest.raises(ConfigError, match=r"sample:tree.password is encrypted, and this engine holds no key"):
        run_program("test", project=project, endpoint=None)


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ("config:\n  sample:a: 1\n  sample:a: 2\n", r"`sample:a` stands twice(.|\n)*line 3"),
        ("confg: {}\n", "holds confg; a stack's config stands below `config`"),
    ],
)
def test_a_stacks_file_that_says_less_than_it_seems_to_is_refused(write_project, stack, message):
    with pytest.raises(ConfigError, match=message):
        run_program("test", project=write_project("", stack=stack), endpoint=None)


def test_a_missing_stack_and_a_missing_value_are_named(write_project):
    project = write_project(CONFIG, project="config: {tree: {type: array, items: {type: string}}}")
    with pytest.raises(ConfigError, match=r"no stack 'prod'.*there are test"):
        run_program("prod", project=project, endpoint=None)
    with pytest.raises(ConfigError, match="without a default: sample:tree"):
        run_program("test", project=project, endpoint=None)


def test_modules_beside_the_program_are_read_afresh_and_threads_do_not_mix(write_project):
    project = write_project('import pulumi, neighbour\npulumi.export("word", neighbour.WORD)')
    words = []

    def run() -> None:
        words.append(run_program("test", project=project, endpoint=None).outputs["word"])

    for word in ("first", "second"):
        (project / "program" / "neighbour.py").write_text(f"WORD = {word!r}")
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert words == ["first", "first", "second", "second"]


def test_the_local_stack_runs_and_says_what_lives(deployed):
    live = {resource.type for resource in deployed.resources if resource.standing is Standing.LIVE}
    assert {"aws:s3/bucket:Bucket", "aws:sqs/queue:Queue", "aws:dynamodb/table:Table", "aws:iam/role:Role"} <= live
    words = deployed.summary().split()
    assert words[0] == "local:"
    assert int(words[1]) == int(words[3]) + int(words[5])


def test_an_original_in_the_real_bucket_becomes_a_message_in_the_real_queue(deployed, emulator):
    video_id, bucket = new_video_id(), deployed.outputs["bucketName"]
    emulator.client("s3").put_object(Bucket=bucket, Key=original_key(video_id), Body=b"video")
    sqs, queue = emulator.client("sqs"), deployed.outputs["arrivalsQueueUrl"]
    arrived: list[str] = []
    while not arrived:  # a test event comes before it
        received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", [])
        assert received, "no event of the original"
        arrived = [arrival.video_id for message in received for arrival in decode_arrivals(message["Body"])]
    assert arrived == [video_id]


def test_secrets_are_kept_out_of_the_rendered_tree(write_project, tmp_path):
    program = """
import pulumi_kubernetes as k8s
k8s.core.v1.Secret("door", metadata={"name": "door"}, string_data={"code": "1234"})
k8s.core.v1.ConfigMap("sign", metadata={"name": "sign"}, data={"text": "open"})
"""
    result = run_program("test", project=write_project(program), endpoint=None)
    assert [manifest.kind for manifest in result.manifests] == ["ConfigMap", "Secret"]
    written = result.render(tmp_path / "tree")
    assert [path.name for path in written] == ["configmap-sign.yaml"]


@pytest.mark.prove
def test_the_whole_dev_stack_runs_and_its_network_lives():
    with running_emulator() as emulator:
        result = run_program("dev", project=REPOSITORY, endpoint=emulator.endpoint_url)
        vpc = {"Name": "vpc-id", "Values": [result.one("aws:ec2/vpc:Vpc").id]}
        subnets = emulator.client("ec2").describe_subnets(Filters=[vpc])["Subnets"]
    assert len(subnets) == 4
    assert result.one("eks:index:Cluster").standing is Standing.RECORDED


def test_manifests_are_written_one_a_file_and_stale_ones_go(tmp_path: Path):
    result = run_program("local", project=REPOSITORY, endpoint=None)
    written = result.render(tmp_path)
    assert "vodstack/deployment-api.yaml" in {str(path.relative_to(tmp_path)) for path in written}
    texts = {path: path.read_text() for path in written}
    (tmp_path / "vodstack" / "deployment-old.yaml").write_text(texts[written[0]])
    (tmp_path / "mine.yaml").write_text("kept: true")
    again = run_program("local", project=REPOSITORY, endpoint=None).render(tmp_path)
    assert {path: path.read_text() for path in again} == texts
    assert not (tmp_path / "vodstack" / "deployment-old.yaml").exists()
    assert (tmp_path / "mine.yaml").exists()
