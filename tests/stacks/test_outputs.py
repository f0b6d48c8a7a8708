"""What a stack exports and publishes, as its consumers read it."""

import json
from pathlib import Path

import pytest

from vodstack_contracts import outputs as contract
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.embedded.errors import EngineError

CONSUMER = Path(__file__).parents[2] / "docs" / "examples" / "renditions"
# What has been promised. Adding is free; whoever drops or renames one raises the layer's version instead.
PROMISED = {
    "foundation/v1": "region vpcId privateSubnetIds publicSubnetIds keyArn bucketName bucketArn videosTableName "
    "videosTableArn workTableName workTableArn arrivalsQueueUrl arrivalsQueueArn arrivalsDlqUrl arrivalsDlqArn "
    "arrivalsVisibilitySeconds chunksQueueUrl chunksQueueArn chunksDlqUrl chunksDlqArn apiRepositoryUrl "
    "workerRepositoryUrl deployRoleArn previewRoleArn tokenIssuer tokenClientIds tokenScopePrefix tokenUrl",
    "cluster/v1": "clusterName kubeconfig storageClass",
    "monitoring/v1": "monitoringNamespace prometheusUrl grafanaUrl grafanaSecret",
    "services/v1": "namespace apiUrl apiRoleArn workerRoleArn",
}
DOCUMENT_LIMIT_BYTES = 4096  # of a standard SSM parameter, the free kind


def test_a_stack_exports_the_outputs_of_all_its_layers_and_nothing_else(dev):
    promised = {name for layer in contract.LAYERS for name in contract.names(layer)}
    assert dev.outputs.keys() == promised


@pytest.mark.parametrize("layer", contract.LAYERS)
def test_no_promised_output_is_gone_while_the_version_stays(layer):
    assert set(PROMISED[contract.contract_of(layer)].split()) <= set(contract.names(layer))


@pytest.mark.parametrize("layer", contract.LAYERS)
def test_each_layers_document_in_ssm_decodes_into_what_the_stack_exports(dev, layer):
    name = f"/vodstack/dev/{contract.contract_of(layer)}"
    (parameter,) = [p for p in dev.of_type("aws:ssm/parameter:Parameter") if p.inputs["name"] == name]
    document = parameter.inputs["value"]
    assert len(document.encode()) < DOCUMENT_LIMIT_BYTES * 3 / 4
    decoded = contract.decode(layer[str], document)
    assert contract.exports(decoded) == {key: dev.outputs[key] for key in contract.names(layer)}


def test_no_output_is_secret(dev):
    assert not dev.secret_outputs


def test_another_stack_reads_its_layers_by_reference(run):
    deployed = run(
        "dev",
        layers=["services"],
        references={"foundation": "organization/vodstack/data", "cluster": "organization/vodstack/platform"},
        services={"auth": "none", "images": {"tag": "v1"}},
    )
    settings = deployed.one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]
    assert settings["S3_BUCKET"] == "videos-elsewhere"
    association = deployed.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "api")
    assert association.inputs["clusterName"] == "shared"
    worker = deployed.one("kubernetes:apps/v1:Deployment", "worker").inputs["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "VODSTACK_VISIBILITY_TIMEOUT_SECONDS", "value": "90"} in worker["env"]
    assert json.loads(deployed.one("pulumi:providers:kubernetes").inputs["kubeconfig"]) == {"kind": "Config"}


def test_another_teams_program_reads_the_foundation(dev):
    consumer = run_program(
        "dev",
        project=CONSUMER,
        endpoint=None,
        references={"organization/vodstack/dev": dev.outputs},
    )
    policy = json.loads(consumer.one("aws:iam/policy:Policy").inputs["policy"])
    assert policy["Statement"][0]["Resource"] == f"{dev.outputs['bucketArn']}/renditions/*"
    assert consumer.outputs["policyArn"] == consumer.one("aws:iam/policy:Policy").outputs["arn"]


def test_a_stack_without_the_layer_is_told_in_the_other_teams_program(dev):
    cluster = {name: dev.outputs[name] for name in contract.names(contract.ClusterOutputs)}
    with pytest.raises(
        EngineError, match=r"organization/vodstack/dev exports no '\w+', an output of foundation/v1: name"
    ):
        run_program("dev", project=CONSUMER, endpoint=None, references={"organization/vodstack/dev": cluster})
