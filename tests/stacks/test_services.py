"""The layer of the API and the worker."""

import ast
import json
from pathlib import Path

import pytest
from tests.stacks.conftest import ALTERNATIVES, environment_of, pod_and_container

from vodstack_contracts.memory import MIB, media_bytes

ROOT = Path(__file__).parents[2]
# Calls of the AWS clients, and the action that IAM judges each by.
CALLS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
    "complete_multipart_upload": "s3:PutObject",
    "copy_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_item": "dynamodb:DeleteItem",
    "delete_message": "sqs:DeleteMessage",
    "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
    "get_item": "dynamodb:GetItem",
    "get_object": "s3:GetObject",
    "get_queue_attributes": "sqs:GetQueueAttributes",
    "head_bucket": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
    "list_objects_v2": "s3:ListBucket",
    "list_parts": "s3:ListMultipartUploadParts",
    "put_item": "dynamodb:PutItem",
    "put_object": "s3:PutObject",
    "query": "dynamodb:Query",
    "receive_message": "sqs:ReceiveMessage",
    "scan": "dynamodb:Scan",
    "send_message": "sqs:SendMessage",
    "send_message_batch": "sqs:SendMessage",
    "update_item": "dynamodb:UpdateItem",
    "upload_part": "s3:PutObject",
}


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_pod_meets_the_restricted_pod_security_standard(dev, name):
    pod, container = pod_and_container(dev, name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    labels = dev.one("kubernetes:core/v1:Namespace", "vodstack").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


ASK_KUBERNETES = {"keda-operator", "karpenter", "aws-load-balancer-controller"}


def test_no_service_has_a_token_for_kubernetes_and_operators_alone_do(everything):
    """Of each ServiceAccount, and of the pods of ours, which would overrule it."""
    accounts = everything.of_type("kubernetes:core/v1:ServiceAccount")
    given = {each.name: each.inputs["automountServiceAccountToken"] for each in accounts}
    assert given == {"api": False, "worker": False, **dict.fromkeys(ASK_KUBERNETES, True)}
    for name in ("api", "worker"):
        pod, _ = pod_and_container(everything, name)
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == name
        assert "serviceAccountToken" not in str(pod.get("volumes", []))


def test_pages_of_the_own_machine_use_the_api_of_the_laptop_and_of_nothing_else(dev):
    allowed = environment_of(ALTERNATIVES["local"].known, "api")["VODSTACK_CORS_ORIGINS"].split(",")
    assert allowed == ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]
    assert "VODSTACK_CORS_ORIGINS" not in environment_of(dev, "api")


@pytest.mark.parametrize(("name", "ports"), [("api", {"http": 8080, "metrics": 9090}), ("worker", {"metrics": 9090})])
def test_probes_ask_the_port_that_no_client_reaches(dev, name, ports):
    _, container = pod_and_container(dev, name)
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == ports
    assert environment_of(dev, name)["VODSTACK_METRICS_PORT"] == "9090"
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}


def test_no_service_leads_to_the_metrics(dev):
    ports = [port for service in dev.of_type("kubernetes:core/v1:Service") for port in service.inputs["spec"]["ports"]]
    assert [port["targetPort"] for port in ports] == ["http"]


def test_on_the_laptop_the_api_shows_its_metrics_and_is_probed_where_it_is():
    local = ALTERNATIVES["local"].known
    _, container = pod_and_container(local, "api")
    assert [port["name"] for port in container["ports"]] == ["http"]
    assert container["livenessProbe"]["httpGet"]["port"] == "http"
    assert "VODSTACK_METRICS_PORT" not in environment_of(local, "api")


@pytest.mark.parametrize("name", ["api", "worker"])
def test_memory_is_limited_to_what_is_requested_and_cpu_is_not_limited(dev, name):
    _, container = pod_and_container(dev, name)
    resources = container["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"]
    assert "cpu" in resources["requests"]
    assert "cpu" not in resources["limits"]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_pods_spread_over_zones_and_leave_one_at_a_time(dev, name):
    pod, _ = pod_and_container(dev, name)
    assert [each["topologyKey"] for each in pod["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    budget = dev.one("kubernetes:policy/v1:PodDisruptionBudget", name).inputs["spec"]
    labels = dev.one("kubernetes:apps/v1:Deployment", name).inputs["spec"]["selector"]["matchLabels"]
    assert budget["selector"]["matchLabels"] == labels
    assert budget["maxUnavailable"] == 1


def test_services_find_what_the_foundation_made(dev):
    settings = dev.one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]
    assert settings == {
        "AWS_REGION": "us-east-1",
        "S3_BUCKET": dev.outputs["bucketName"],
        "DYNAMODB_TABLE": "twelve-labs-videos",
        "VODSTACK_WORK_TABLE": "twelve-labs-work",
        "SQS_QUEUE_URL": dev.outputs["arrivalsQueueUrl"],
        "VODSTACK_LOG_FORMAT": "json",
        "VODSTACK_LOG_LEVEL": "info",
    }
    for name in ("api", "worker"):
        _, container = pod_and_container(dev, name)
        assert container["envFrom"] == [{"configMapRef": {"name": "settings"}}]


@pytest.fixture(scope="module")
def changed(run):
    worker = {"chunkSeconds": 40}
    return run("dev", services={"auth": "none", "images": {"tag": "v0.1.0"}, "logLevel": "debug", "worker": worker})


def test_a_changed_setting_rolls_the_pods(changed, dev):
    checksums = {_checksum(deployed, "api") for deployed in (dev, changed)}
    assert len(checksums) == 2


def _checksum(deployed, name):
    template = deployed.one("kubernetes:apps/v1:Deployment", name).inputs["spec"]["template"]
    return template["metadata"]["annotations"]["vodstack/settings-checksum"]


def test_the_worker_stops_before_its_scratch_is_full_and_knows_the_queues_timeout(dev):
    pod, container = pod_and_container(dev, "worker")
    environment = environment_of(dev, "worker")
    assert environment["VODSTACK_SCRATCH_DIR"] == "/scratch"
    assert container["volumeMounts"] == [{"name": "scratch", "mountPath": "/scratch"}]
    assert pod["volumes"] == [{"name": "scratch", "emptyDir": {"sizeLimit": "20Gi"}}]
    assert int(environment["VODSTACK_SCRATCH_BYTES"]) < 20 * 1024**3
    assert environment["VODSTACK_VISIBILITY_TIMEOUT_SECONDS"] == "120"


def test_the_config_says_how_long_a_chunk_is(changed):
    _, container = pod_and_container(changed, "worker")
    assert {"name": "VODSTACK_CHUNK_SECONDS", "value": "40"} in container["env"]


def test_a_stopping_api_gets_time_for_running_uploads_within_its_grace_period(dev):
    pod, container = pod_and_container(dev, "api")
    environment = environment_of(dev, "api")
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert drain + int(environment["VODSTACK_SHUTDOWN_GRACE_SECONDS"]) < pod["terminationGracePeriodSeconds"]


def test_everyone_is_let_in_only_where_the_config_says_so(dev):
    _, container = pod_and_container(dev, "api")
    assert {"name": "VODSTACK_AUTH", "value": "none"} in container["env"]


def test_the_api_asks_for_the_tokens_and_keeps_to_the_limits_that_the_config_names(run):
    oidc = {"issuer": "https://issuer.example/pool", "clientIds": ["web", "batch"], "scopePrefix": "vodstack/"}
    limits = {
        "requestsPerMinute": 600,
        "storedBytes": 10**12,
        "corsOrigins": ["https://a.example", "https://b.example"],
    }
    traces = {"tracesEndpoint": "http://collector.observability:4318"}
    asking = run("dev", services={"auth": "oidc", "oidc": oidc, "images": {"tag": "v1"}, "api": limits, **traces})
    environment = environment_of(asking)
    assert environment["VODSTACK_AUTH"] == "oidc"
    assert environment["VODSTACK_OIDC_ISSUER"] == "https://issuer.example/pool"
    assert environment["VODSTACK_OIDC_CLIENT_IDS"] == "web,batch"
    assert environment["VODSTACK_OIDC_SCOPE_PREFIX"] == "vodstack/"
    assert environment["VODSTACK_REQUESTS_PER_MINUTE"] == "600"
    assert environment["VODSTACK_CORS_ORIGINS"] == "https://a.example,https://b.example"
    shared = asking.one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]
    assert shared["OTEL_EXPORTER_OTLP_ENDPOINT"] == traces["tracesEndpoint"]
    (rule,) = asking.one("kubernetes:networking.k8s.io/v1:NetworkPolicy", "traces").inputs["spec"]["egress"]
    assert rule == {"to": [{"namespaceSelector": {}}], "ports": [{"port": 4318, "protocol": "TCP"}]}
    assert environment["VODSTACK_STORED_BYTES"] == str(10**12)


OIDC = {"issuer": "https://issuer.example/pool", "clientIds": ["web"]}


@pytest.mark.parametrize(
    ("auth", "worker", "limits"),
    [
        ({"auth": "none"}, {}, (None, "0", "0", None)),
        ({"auth": "oidc", "oidc": OIDC}, {}, ("6000", "1", "6000", "6000")),
        ({"auth": "oidc", "oidc": OIDC}, {"jobs": 3, "scaling": {"maxReplicas": 5}}, ("6000", "7", "6000", "6000")),
        ({"auth": "oidc", "oidc": OIDC}, {"jobsPerOwner": 0, "encodedMinutesPerDay": 0}, ("6000", "0", "0", "0")),
    ],
    ids=["without tokens", "with tokens", "a larger fleet", "switched off"],
)
def test_owners_are_limited_where_tokens_tell_them_apart(run, auth, worker, limits):
    resources = {"resources": {"cpu": "1", "memory": "4Gi"}}
    deployed = run("dev", services={**auth, "images": {"tag": "v1"}, "worker": resources | worker})
    api, worker = environment_of(deployed), environment_of(deployed, "worker")
    assert limits == (
        api.get("VODSTACK_REQUESTS_PER_MINUTE"),
        worker["VODSTACK_JOBS_PER_OWNER"],
        worker["VODSTACK_ENCODED_MINUTES_PER_DAY"],
        api.get("VODSTACK_ENCODED_MINUTES_PER_DAY"),
    )


def test_the_api_touches_no_queue_and_the_worker_no_lists_of_videos(dev):
    api, worker = (_actions(dev, f"{name}-policy") for name in ("api", "worker"))
    assert not [action for action in api if action.startswith("sqs:")]
    assert "dynamodb:Query" in api
    (asked,) = (s["Resource"] for s in _statements(dev, "worker-policy") if "dynamodb:Query" in s["Action"])
    assert asked == [dev.outputs["workTableArn"]]
    deletable = [s["Resource"] for s in _statements(dev, "api-policy") if "s3:DeleteObject" in s["Action"]]
    assert deletable == [[f"{dev.outputs['bucketArn']}/{prefix}/*"] for prefix in ("originals", "renditions")]
    (renditions,) = (s["Resource"] for s in _statements(dev, "worker-policy") if "s3:DeleteObject" in s["Action"])
    assert renditions == [f"{dev.outputs['bucketArn']}/renditions/*"]
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} <= worker


@pytest.mark.parametrize(("name", "package"), [("api", "app/vodstack_app"), ("worker", "worker/vodstack_worker")])
def test_a_service_may_do_every_call_that_its_code_makes(dev, name, package):
    called = {CALLS[word] for path in (ROOT / package).rglob("*.py") for word in _words(path) if word in CALLS}
    assert called
    assert called <= _actions(dev, f"{name}-policy")


def _words(path):
    """Attributes and texts: a call may be made by its name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_each_service_writes_only_its_own_part_of_the_bucket(dev):
    bucket = dev.outputs["bucketArn"]
    for policy, written in (("api-policy", "originals/*"), ("worker-policy", "renditions/*")):
        resources = [s["Resource"] for s in _statements(dev, policy) if "s3:PutObject" in s["Action"]]
        assert resources == [[f"{bucket}/{written}"]]


def test_the_key_is_used_only_through_the_services_that_hold_the_data(dev):
    (statement,) = [s for s in _statements(dev, "worker-policy") if s["Sid"] == "Key"]
    assert statement["Resource"] == [dev.outputs["keyArn"]]
    assert statement["Condition"]["StringEquals"]["kms:ViaService"] == [
        "dynamodb.us-east-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "sqs.us-east-1.amazonaws.com",
    ]


def _statements(deployed, name):
    return json.loads(deployed.one("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"])["Statement"]


def _actions(deployed, name):
    return {action for statement in _statements(deployed, name) for action in statement["Action"]}


def test_the_api_is_internal_unless_the_config_opens_it(dev):
    service = dev.one("kubernetes:core/v1:Service", "api").inputs["spec"]
    assert service["type"] == "ClusterIP"
    assert dev.outputs["apiUrl"] == "http://api.vodstack.svc.cluster.local"
    assert "VODSTACK_PUBLIC_URL" not in environment_of(dev)


def test_a_load_balancer_admits_its_ranges_alone(run):
    exposure = {"mode": "load-balancer", "sourceRanges": ["198.51.100.0/24"]}
    opened = run("dev", services={"auth": "none", "images": {"tag": "v1"}, "exposure": exposure})
    service = opened.one("kubernetes:core/v1:Service", "api").inputs
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["loadBalancerSourceRanges"] == ["198.51.100.0/24"]
    assert service["spec"]["ports"][0]["port"] == 80
    assert service["metadata"]["annotations"] == {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}
    # Nobody knows by which name clients call it: the request's own is what its answer names.
    assert "VODSTACK_PUBLIC_URL" not in environment_of(opened)


def test_with_a_certificate_the_load_balancer_speaks_tls(run):
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/c"
    exposure = {"mode": "load-balancer", "sourceRanges": ["198.51.100.0/24"], "certificateArn": certificate}
    exposure |= {"host": "videos.example.com"}
    opened = run("dev", services={"auth": "none", "images": {"tag": "v1"}, "exposure": exposure})
    service = opened.one("kubernetes:core/v1:Service", "api").inputs
    assert service["spec"]["ports"][0]["port"] == 443
    annotations = service["metadata"]["annotations"]
    assert annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"] == certificate
    assert opened.outputs["apiUrl"] == environment_of(opened)["VODSTACK_PUBLIC_URL"] == "https://videos.example.com"


def test_an_api_takes_no_more_uploads_at_a_time_than_its_memory_holds(dev):
    _, container = pod_and_container(dev, "api")
    environment = environment_of(dev, "api")
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert 100 + 27 * int(environment["VODSTACK_MAX_UPLOADS"]) <= memory


def test_a_workers_sandbox_is_required_and_its_runtime_class_is_its_own(dev, run):
    pod, _ = pod_and_container(dev, "worker")
    assert "runtimeClassName" not in pod
    assert environment_of(dev, "worker")["VODSTACK_SANDBOX"] == "required"
    worker = {"runtimeClass": "gvisor", "cage": "best-effort"}
    changed = run("dev", services={"auth": "none", "images": {"tag": "v0.1.0"}, "worker": worker})
    assert pod_and_container(changed, "worker")[0]["runtimeClassName"] == "gvisor"
    assert "runtimeClassName" not in pod_and_container(changed, "api")[0]
    assert environment_of(changed, "worker")["VODSTACK_SANDBOX"] == "best-effort"


def test_a_workers_media_tools_get_what_its_memory_leaves_beside_itself(dev):
    _, container = pod_and_container(dev, "worker")
    environment = environment_of(dev, "worker")
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert int(environment["VODSTACK_MEDIA_MEMORY_BYTES"]) == media_bytes(
        memory * MIB, int(environment["VODSTACK_JOBS"])
    )


def test_a_laptops_services_write_for_people(run):
    settings = run("local").one("kubernetes:core/v1:ConfigMap", "settings").inputs["data"]
    assert settings["VODSTACK_LOG_FORMAT"] == "console"
