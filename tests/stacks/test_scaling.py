"""How many pods run: who decides, by what, and within which rights."""

import json


def _spec(deployed, kind, name=None):
    return deployed.one(f"kubernetes:{kind}", name).inputs["spec"]


def test_a_scaled_deployment_leaves_its_number_to_the_autoscaler(dev, run):
    for deployment in dev.of_type("kubernetes:apps/v1:Deployment"):
        assert "replicas" not in deployment.inputs["spec"]
    for deployment in run("local").of_type("kubernetes:apps/v1:Deployment"):
        assert deployment.inputs["spec"]["replicas"] == 1


def test_the_api_scales_by_its_cpu(dev):
    spec = _spec(dev, "autoscaling/v2:HorizontalPodAutoscaler")
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)
    (metric,) = spec["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}


def test_the_worker_scales_by_videos_that_wait_or_are_in_work(dev):
    spec = _spec(dev, "keda.sh/v1alpha1:ScaledObject")
    assert spec["scaleTargetRef"] == {"name": "worker"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 3)
    authentication = dev.one("kubernetes:keda.sh/v1alpha1:TriggerAuthentication").inputs
    for trigger, queue in zip(spec["triggers"], ("arrivalsQueueUrl", "chunksQueueUrl"), strict=True):
        assert trigger["metadata"] == {
            "queueURL": dev.outputs[queue],
            "awsRegion": "us-east-1",
            "queueLength": "1",
            "scaleOnInFlight": "true",
        }
        assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}


def test_every_queue_that_the_worker_reads_is_one_that_it_is_scaled_by(dev):
    shared = dev.one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]["SQS_QUEUE_URL"]
    (container,) = _spec(dev, "apps/v1:Deployment", "worker")["template"]["spec"]["containers"]
    own = next(each["value"] for each in container["env"] if each["name"] == "VODSTACK_CHUNKS_QUEUE_URL")
    triggers = _spec(dev, "keda.sh/v1alpha1:ScaledObject")["triggers"]
    assert {trigger["metadata"]["queueURL"] for trigger in triggers} == {shared, own}


def test_the_operator_sees_those_queues_and_the_work_table_and_nothing_else(dev):
    document = json.loads(dev.one("aws:iam/rolePolicy:RolePolicy", "keda-operator-policy").inputs["policy"])
    queues, table, key = document["Statement"]
    assert queues["Action"] == ["sqs:GetQueueAttributes"]
    assert queues["Resource"] == [dev.outputs["arrivalsQueueArn"], dev.outputs["chunksQueueArn"]]
    assert (table["Action"], table["Resource"]) == (["dynamodb:Query"], [dev.outputs["workTableArn"]])
    assert (key["Action"], key["Resource"]) == (["kms:Decrypt"], [dev.outputs["keyArn"]])
    assert key["Condition"]["StringEquals"]["kms:ViaService"] == ["dynamodb.us-east-1.amazonaws.com"]


def test_the_worker_scales_by_jobs_that_an_idle_worker_would_begin(run):
    limited = run("dev", services={"auth": "none", "worker": {"jobsPerOwner": 2, "scaling": {"maxReplicas": 3}}})
    *_, waiting = _spec(limited, "keda.sh/v1alpha1:ScaledObject")["triggers"]
    assert waiting["type"] == "aws-dynamodb"
    metadata = waiting["metadata"]
    assert metadata["tableName"] == limited.outputs["workTableName"]
    assert (metadata["keyConditionExpression"], metadata["targetValue"]) == ("#line = :line", "1")
    assert json.loads(metadata["expressionAttributeNames"]) == {"#line": "pk"}
    assert json.loads(metadata["expressionAttributeValues"]) == {":line": {"S": "waiting"}}


def test_scaled_objects_leave_before_the_operator_that_takes_off_their_finalizers(dev):
    release = dev.one("kubernetes:helm.sh/v3:Release", "keda")
    assert release.inputs["version"] == "2.20.2"
    for kind in ("ScaledObject", "TriggerAuthentication"):
        assert release.urn in dev.one(f"kubernetes:keda.sh/v1alpha1:{kind}").dependencies


def test_a_cluster_with_an_operator_of_its_own_gets_no_second_one(run):
    scaling = {"maxReplicas": 3, "installKeda": False}
    deployed = run(
        "dev",
        layers=["foundation", "services"],
        cluster={"existing": {"name": "own"}},
        services={"worker": {"scaling": scaling}},
    )
    assert not deployed.of_type("kubernetes:helm.sh/v3:Release")
    assert deployed.one("kubernetes:keda.sh/v1alpha1:ScaledObject")
