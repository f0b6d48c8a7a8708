"""vodstack's components in a program that is not ours: docs/examples/films, and what every such program leans on."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

import vodstack_platform as vodstack
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.rules import RULES, Candidate

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "films"
# What has been promised. Adding is free; dropping or renaming one breaks other teams' programs.
PROMISED = (
    "AlarmSettings BucketSettings ImageRegistry ImageRegistryArgs KeySettings QueueSettings ResourceSettings "
    "ServiceNamespace ServiceNamespaceArgs TableSettings VideoData VideoDataArgs VideoWorker VideoWorkerArgs "
    "WorkerScalingSettings WorkerSettings"
)
TWICE = """
import pulumi
import vodstack_platform as vodstack

names = {"a": "one", "b": "two"}
for short, name in names.items():
    args = vodstack.VideoDataArgs(
        tables=vodstack.TableSettings(videos=f"{name}-videos", work=f"{name}-work"),
        queues=vodstack.QueueSettings(arrivals=f"{name}-arrivals", chunks=f"{name}-chunks"),
        alarms=vodstack.AlarmSettings(emails=("ops@example.com",)),
    )
    data = vodstack.VideoData(name, args)
    namespace = vodstack.ServiceNamespace(name, vodstack.ServiceNamespaceArgs(namespace=name))
    scaling = vodstack.WorkerScalingSettings(max_replicas=9, install_keda=short == "a")
    worker = vodstack.VideoWorkerArgs(
        data=data.outputs,
        cluster_name="team",
        namespace=namespace.namespace,
        image="worker:1",
        settings=vodstack.WorkerSettings(scaling=scaling),
    )
    vodstack.VideoWorker(name, worker)
"""


@pytest.fixture(scope="module")
def films():
    return run_program("dev", project=EXAMPLE, endpoint=None)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory):
    project = tmp_path_factory.mktemp("twice")
    (project / "Pulumi.yaml").write_text("name: team\nruntime: python\n")
    (project / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-west-1\n")
    (project / "__main__.py").write_text(TWICE)
    return run_program("dev", project=project, endpoint=None)


def test_the_public_surface_is_what_was_promised():
    assert sorted(vodstack.__all__) == sorted(PROMISED.split())
    for name in vodstack.__all__:
        assert inspect.getdoc(getattr(vodstack, name))


def test_what_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'Layer'"):
        _ = vodstack.Layer


def test_the_package_is_imported_without_pulumi():
    program = "import sys, vodstack_platform; assert 'pulumi' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_example_is_the_same_with_values_unknown(films):
    unknown = run_program("dev", project=EXAMPLE, endpoint=None, preview=True)
    assert {resource.urn for resource in films.resources} == {resource.urn for resource in unknown.resources}


def test_the_example_offends_no_rule(films):
    for resource in films.resources:
        candidate = Candidate(resource.type, resource.inputs, "production")
        for rule in RULES:
            assert list(rule.offences(candidate)) == [], (resource.urn, rule.name)


def test_everything_lies_below_its_component_with_the_programs_own_providers(films):
    providers = {r.urn for r in films.resources if r.type.startswith("pulumi:providers:")}
    assert len(providers) == 2
    for resource in films.resources:
        if resource.type.startswith(("aws:", "kubernetes:")):
            assert resource.provider.rpartition("::")[0] in providers, resource.urn
            assert resource.name == "reviews" or "vodstack:platform:" in resource.parent, resource.urn
            assert resource.name.startswith(("films", "reviews")), resource.urn


@pytest.mark.parametrize("kind", ["aws:s3/bucket:Bucket", "aws:kms/key:Key"])
def test_what_holds_data_is_protected_unless_the_program_says_otherwise(films, kind):
    assert films.one(kind).protect


def test_tables_are_protected_by_dynamodb_as_well(films):
    for name in ("films-videos", "films-work"):
        table = films.one("aws:dynamodb/table:Table", name)
        assert table.protect
        assert table.inputs["deletionProtectionEnabled"]


def test_the_worker_may_touch_the_programs_own_data_and_nothing_else(films):
    policy = films.one("aws:iam/rolePolicy:RolePolicy", "films-worker-policy").inputs["policy"]
    own = {films.outputs["bucketName"], "films-videos", "films-work", "films-arrivals", "films-chunks"}
    for statement in json.loads(policy)["Statement"]:
        for arn in statement["Resource"]:
            assert arn == films.one("aws:kms/key:Key").outputs["arn"] or any(name in arn for name in own), arn


def test_the_worker_knows_the_programs_own_names(films):
    variables = films.one("kubernetes:core/v1:ConfigMap").inputs["data"]
    assert variables["S3_BUCKET"] == films.outputs["bucketName"]
    assert variables["SQS_QUEUE_URL"] == films.outputs["arrivalsQueueUrl"]
    assert (variables["DYNAMODB_TABLE"], variables["VODSTACK_WORK_TABLE"]) == ("films-videos", "films-work")


def test_only_watchers_reach_the_worker_and_its_nodes_credentials_are_out_of_reach(films):
    policy = films.one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs["spec"]
    deployment = films.one("kubernetes:apps/v1:Deployment").inputs["spec"]
    assert policy["podSelector"]["matchLabels"] == deployment["selector"]["matchLabels"]
    assert set(policy["policyTypes"]) == {"Egress", "Ingress"}
    (watched,) = policy["ingress"]
    (watcher,) = watched["from"]
    assert watcher["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    (anywhere,) = [peer["ipBlock"] for rule in policy["egress"] for peer in rule["to"] if "except" in str(peer)]
    assert anywhere["except"] == ["169.254.0.0/16"]


def test_two_of_a_kind_get_along_in_one_program(twice):
    assert len(twice.of_type("vodstack:platform:VideoData")) == 2
    aliases = [alias.inputs["name"] for alias in twice.of_type("aws:kms/alias:Alias")]
    assert sorted(aliases) == ["alias/team-dev-one", "alias/team-dev-two"]
    for kind in ("aws:cloudwatch/metricAlarm:MetricAlarm", "aws:sqs/queue:Queue", "aws:dynamodb/table:Table"):
        names = [resource.inputs["name"] for resource in twice.of_type(kind)]
        assert len(names) == len(set(names))


def test_the_worker_scales_by_its_own_queues(twice):
    for name in ("one", "two"):
        scaled = twice.one("kubernetes:keda.sh/v1alpha1:ScaledObject", f"{name}-worker-scaledobject").inputs["spec"]
        queues = [trigger["metadata"]["queueURL"].rpartition("/")[2] for trigger in scaled["triggers"]]
        assert f"{name}-arrivals" in queues
        assert all(queue.startswith(f"{name}-") for queue in queues)
        assert "replicas" not in twice.one("kubernetes:apps/v1:Deployment", f"{name}-worker").inputs["spec"]
    assert len(twice.of_type("kubernetes:helm.sh/v3:Release")) == 1


def test_an_original_in_the_examples_bucket_becomes_a_job_in_its_queue(aws_endpoint):
    films = run_program("dev", project=EXAMPLE, endpoint=aws_endpoint)
    session: Any = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test")
    s3, sqs = (session.client(each, endpoint_url=aws_endpoint, region_name="us-east-1") for each in ("s3", "sqs"))
    s3.put_object(Bucket=films.outputs["bucketName"], Key="originals/a/source", Body=b"film")
    messages: list[str] = []
    while not any("originals%2Fa%2Fsource" in message for message in messages):
        answer = sqs.receive_message(QueueUrl=films.outputs["arrivalsQueueUrl"], WaitTimeSeconds=10)
        assert answer.get("Messages"), messages
        messages += [message["Body"] for message in answer["Messages"]]
