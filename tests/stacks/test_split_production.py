"""Production in two stacks of the same program: the outputs of the one are what the other stands on."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from vodstack_contracts import outputs as contract
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.rules import RULES, Candidate

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docs" / "stacks").glob("Pulumi.*.yaml"))
DATA, SERVICES = "prod-data", "prod"
# Logs of its load balancer, and warnings about its nodes: they are of the part that runs.
OF_WHAT_RUNS = {"access-logs", "interruptions"}
HOLDS_DATA = ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:sqs/queue:Queue", "aws:kms/key:Key")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with the documented stack files beside it, as whoever follows the documentation has it."""
    folder = tmp_path_factory.mktemp("project")
    definition = yaml.safe_load((ROOT / "Pulumi.yaml").read_text()) | {"main": str(ROOT / "stacks")}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(definition))
    for path in FILES:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def data(project):
    return run_program(DATA, project=project, endpoint=None)


@pytest.fixture(scope="module")
def running(project, data):
    references = {f"organization/vodstack/{DATA}": data.outputs}
    return run_program(SERVICES, project=project, endpoint=None, references=references)


def test_the_two_stacks_export_every_output_once(data, running):
    promised = {name for layer in contract.LAYERS for name in contract.names(layer)}
    assert data.outputs.keys() | running.outputs.keys() == promised
    assert not data.outputs.keys() & running.outputs.keys()


def test_what_holds_data_lies_in_one_stack_and_is_protected_there(data, running):
    for kind in HOLDS_DATA:
        assert data.of_type(kind)
        assert {resource.name for resource in running.of_type(kind)} <= OF_WHAT_RUNS
    for kind in ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:kms/key:Key"):
        assert all(resource.protect for resource in data.of_type(kind)), kind


def test_the_services_stand_on_the_other_stacks_data(data, running):
    settings = running.one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]
    assert settings["S3_BUCKET"] == data.outputs["bucketName"]
    assert settings["SQS_QUEUE_URL"] == data.outputs["arrivalsQueueUrl"]
    assert running.one("eks:index:Cluster").inputs["vpcId"] == data.outputs["vpcId"]
    trigger = running.one("kubernetes:keda.sh/v1alpha1:ScaledObject").inputs["spec"]["triggers"][0]
    assert trigger["metadata"]["queueURL"] == data.outputs["arrivalsQueueUrl"]
    policy = json.loads(running.one("aws:iam/rolePolicy:RolePolicy", "worker-policy").inputs["policy"])
    assert data.outputs["arrivalsQueueArn"] in str(policy)


def test_a_preview_knows_the_same_resources(project, data, running):
    references = {f"organization/vodstack/{DATA}": data.outputs}
    previewed = run_program(SERVICES, project=project, endpoint=None, references=references, preview=True)
    assert {resource.urn for resource in previewed.resources} == {resource.urn for resource in running.resources}


def test_production_offends_no_rule(data, running):
    for deployed in (data, running):
        assert deployed.stack.startswith("prod")
        for resource in deployed.resources:
            for rule in RULES:
                offences = list(rule.offences(Candidate(resource.type, resource.inputs, deployed.stack)))
                assert offences == [], (rule.name, resource.urn)


def test_the_documentation_names_both_files():
    text = (ROOT / "docs" / "stacks" / "README.md").read_text()
    assert [path.name for path in FILES if path.name not in text] == []
