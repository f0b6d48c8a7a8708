"""The HTTPS load balancer: what it lets in, from where, what it asks for, and who may touch it."""

import ipaddress
import json
from pathlib import Path
from typing import Any, cast

import pytest
from tests.stacks.conftest import environment_of
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from vodstack_app.server import KEEP_ALIVE_SECONDS
from vodstack_platform.embedded.errors import ProgramError

ROOT = Path(__file__).parents[2]
PREFIX = "alb.ingress.kubernetes.io"
INLINE_LIMIT_CHARACTERS = 10_240
CERTIFICATE = "arn:aws:acm:us-east-1:111111111111:certificate/c"
OIDC = {"issuer": "https://issuer.example", "audience": "videos", "jwksUrl": "https://issuer.example/keys"}
EXPOSURE = {
    "mode": "ingress",
    "sourceRanges": ["198.51.100.0/24", "203.0.113.0/24"],
    "certificateArn": CERTIFICATE,
    "host": "videos.example.com",
}


ELSEWHERE = {
    "layers": ["services"],
    "references": {"foundation": "organization/vodstack/data", "cluster": "organization/vodstack/platform"},
}


@pytest.fixture(scope="module")
def exposed(everything):
    return everything


@pytest.fixture(scope="module")
def bare(run):
    """As little as an ingress can do with."""
    exposure = {
        "checkTokens": False,
        "accessLogs": None,
        "installController": False,
        "scheme": "internal",
        "host": None,
    }
    return run("dev", **ELSEWHERE, services={"auth": "oidc", "oidc": OIDC, "exposure": EXPOSURE | exposure})


def _ingress(deployed, name):
    return deployed.one("kubernetes:networking.k8s.io/v1:Ingress", name).inputs


def _annotation(deployed, name, key):
    return _ingress(deployed, name)["metadata"]["annotations"].get(f"{PREFIX}/{key}")


def _params(deployed):
    return deployed.one("kubernetes:elbv2.k8s.aws/v1beta1:IngressClassParams").inputs["spec"]


def _attributes(deployed):
    return {each["key"]: each["value"] for each in _params(deployed)["loadBalancerAttributes"]}


def _paths(deployed, name):
    (rule,) = _ingress(deployed, name)["spec"]["rules"]
    return {each["path"] for each in rule["http"]["paths"]}


def _statements(deployed):
    name = "aws-load-balancer-controller-policy"
    return json.loads(deployed.one("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"])["Statement"]


@pytest.mark.parametrize("name", ["api", "api-open"])
def test_it_speaks_modern_tls_alone_to_the_ranges_that_the_config_names(exposed, name):
    assert json.loads(_annotation(exposed, name, "listen-ports")) == [{"HTTPS": 443}]
    assert _annotation(exposed, name, "certificate-arn") == CERTIFICATE
    assert _annotation(exposed, name, "ssl-policy") == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    assert _annotation(exposed, name, "inbound-cidrs") == "198.51.100.0/24,203.0.113.0/24"
    assert exposed.outputs["apiUrl"] == "https://videos.example.com"
    assert environment_of(exposed)["VODSTACK_PUBLIC_URL"] == "https://videos.example.com"


def test_tokens_are_checked_at_the_edge_wherever_the_api_asks_for_one(run, exposed):
    exposure = EXPOSURE | {"scheme": "internal"}
    own = run("dev", **ELSEWHERE, services={"auth": "oidc", "oidc": OIDC, "exposure": exposure})
    assert json.loads(_annotation(own, "api", "jwt-validation")) == {
        "issuer": "https://issuer.example",
        "jwksEndpoint": "https://issuer.example/keys",
    }
    issuer = exposed.outputs["tokenIssuer"]
    assert json.loads(_annotation(exposed, "api", "jwt-validation")) == {
        "issuer": issuer,
        "jwksEndpoint": f"{issuer}/.well-known/jwks.json",
    }
    for deployed in (own, exposed):
        assert _annotation(deployed, "api-open", "jwt-validation") is None


def test_a_pages_first_question_which_carries_no_token_reaches_the_api_and_nothing_else_does(exposed, bare):
    (condition,) = json.loads(_annotation(exposed, "api-preflights", "conditions.api"))
    assert condition == {"field": "http-request-method", "httpRequestMethodConfig": {"values": ["OPTIONS"]}}
    assert _annotation(exposed, "api-preflights", "jwt-validation") is None
    assert _paths(exposed, "api-preflights") == _paths(exposed, "api")
    for name in ("api", "api-preflights"):
        for path in _ingress(exposed, name)["spec"]["rules"][0]["http"]["paths"]:
            assert path["backend"]["service"]["name"] == "api"
    order = {name: int(_annotation(exposed, name, "group.order")) for name in ("api-preflights", "api", "api-open")}
    assert sorted(order, key=order.__getitem__) == ["api-preflights", "api", "api-open"]
    assert {each.name for each in bare.of_type("kubernetes:networking.k8s.io/v1:Ingress")} == {"api", "api-open"}


def test_every_public_path_of_the_api_is_routed_and_metrics_and_probes_are_not(exposed):
    described = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    guarded = _paths(exposed, "api")
    assert {f"/{path.split('/')[1]}" for path in described} - {"/livez", "/readyz", "/metrics"} <= guarded
    assert _paths(exposed, "api-open") == {"/docs", "/openapi.json"}
    assert not {"/metrics", "/livez", "/readyz", "/"} & (guarded | _paths(exposed, "api-open"))


def test_other_names_than_the_certificates_are_not_answered(exposed, bare):
    for name in ("api", "api-open"):
        assert _ingress(exposed, name)["spec"]["rules"][0]["host"] == "videos.example.com"
        assert "host" not in _ingress(bare, name)["spec"]["rules"][0]


def test_only_our_namespace_adds_to_the_load_balancer(exposed):
    params = _params(exposed)
    assert params["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "vodstack"}}
    made = exposed.one("kubernetes:networking.k8s.io/v1:IngressClass").inputs
    assert made["spec"]["parameters"] == {
        "apiGroup": "elbv2.k8s.aws",
        "kind": "IngressClassParams",
        "name": params["group"]["name"],
    }
    for name in ("api", "api-open"):
        assert _ingress(exposed, name)["spec"]["ingressClassName"] == made["metadata"]["name"]
        assert _annotation(exposed, name, "group.name") is None


def test_it_is_tagged_as_everything_else_is(exposed):
    assert {"project", "stack", "managed-by"} <= {each["key"] for each in _params(exposed)["tags"]}


def test_it_asks_the_pods_themselves_and_gives_running_uploads_their_time(exposed):
    assert _annotation(exposed, "api", "target-type") == "ip"
    assert _annotation(exposed, "api", "healthcheck-path") == "/readyz"
    pod = exposed.one("kubernetes:apps/v1:Deployment", "api").inputs["spec"]["template"]["spec"]
    grace = pod["terminationGracePeriodSeconds"]
    attributes = _annotation(exposed, "api", "target-group-attributes").split(",")
    assert f"deregistration_delay.timeout_seconds={grace}" in attributes
    drain = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    environment = environment_of(exposed)
    assert drain == 15
    assert drain + int(environment["VODSTACK_SHUTDOWN_GRACE_SECONDS"]) < grace


def test_it_lets_idle_connections_go_before_the_api_does(exposed):
    assert int(_attributes(exposed)["idle_timeout.timeout_seconds"]) < KEEP_ALIVE_SECONDS


def test_only_load_balancers_of_this_account_write_the_access_logs_and_nobody_reads_them_openly(exposed):
    bucket = exposed.one("aws:s3/bucket:Bucket", "access-logs")
    attributes = _attributes(exposed)
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == bucket.outputs["bucket"]
    write, deny = json.loads(exposed.one("aws:s3/bucketPolicy:BucketPolicy", "access-logs-writers").inputs["policy"])[
        "Statement"
    ]
    assert write["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert write["Resource"] == [
        f"{bucket.outputs['arn']}/{attributes['access_logs.s3.prefix']}/AWSLogs/123456789012/*"
    ]
    assert write["Condition"]["ArnLike"]["aws:SourceArn"].endswith(":123456789012:loadbalancer/*")
    assert deny["Effect"] == "Deny"
    block = exposed.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "access-logs-private").inputs
    assert all(value is True for key, value in block.items() if key != "bucket")
    rule = exposed.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "access-logs-lifecycle")
    assert rule.inputs["rules"][0]["expiration"] == {"days": 90}


def test_the_load_balancer_is_told_of_the_bucket_once_it_may_write_there(exposed):
    params = exposed.one("kubernetes:elbv2.k8s.aws/v1beta1:IngressClassParams")
    policy = exposed.one("aws:s3/bucketPolicy:BucketPolicy", "access-logs-writers")
    assert policy.urn in {urn for urns in params.property_dependencies.values() for urn in urns}


def test_the_api_admits_the_load_balancers_subnets_alone(exposed, bare):
    public = exposed.outputs["publicSubnetIds"].split(",")
    for deployed, subnets in ((exposed, public), (bare, ["subnet-0a", "subnet-0b"])):
        (rule,) = deployed.one("kubernetes:networking.k8s.io/v1:NetworkPolicy", "api-called").inputs["spec"]["ingress"]
        assert len(rule["from"]) == len(subnets) == 2
        for peer in rule["from"]:
            assert ipaddress.ip_network(peer["ipBlock"]["cidr"]).prefixlen > 16


async def test_the_api_believes_the_load_balancer_alone_that_a_client_came_by_tls(exposed):
    """Otherwise the URLs of videos would say http, where nobody listens."""
    trusted = environment_of(exposed)["FORWARDED_ALLOW_IPS"]
    seen = []

    async def record(scope, _receive, _send):
        seen.append((scope["scheme"], scope["client"][0]))

    headers = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"198.51.100.7")]
    balancer = str(ipaddress.ip_network(trusted.split(",")[1])[9])
    for address in (balancer, "10.0.255.9"):
        scope = {"type": "http", "scheme": "http", "client": (address, 40000), "headers": headers}
        middleware: Any = ProxyHeadersMiddleware(cast("Any", record), trusted)
        await middleware(scope, None, None)
    assert seen == [("https", "198.51.100.7"), ("http", "10.0.255.9")]


def test_without_a_load_balancer_that_speaks_http_no_header_is_believed(dev):
    assert "FORWARDED_ALLOW_IPS" not in environment_of(dev)


def test_a_network_without_such_subnets_is_an_error_with_a_sentence(run):
    with pytest.raises(ProgramError, match="names no subnets for that"):
        run("dev", **ELSEWHERE, services={"exposure": EXPOSURE})


def test_the_controller_is_pinned_and_told_where_it_is(exposed):
    release = exposed.one("kubernetes:helm.sh/v3:Release", "load-balancers").inputs
    assert (release["chart"], release["version"]) == ("aws-load-balancer-controller", "3.5.0")
    values = release["values"]
    assert (values["clusterName"], values["region"]) == ("vodstack-dev", "us-east-1")
    assert values["vpcId"] == exposed.outputs["vpcId"]
    assert values["enableServiceMutatorWebhook"] is values["createIngressClassResource"] is False


def test_what_it_makes_or_changes_is_its_own_clusters_or_is_called_like_it(exposed):
    """What has no tag to go by is a listener or a rule of a load balancer, or the way to the cluster's own nodes."""
    untagged = {
        "GroupsPlace": "vpc/vpc-",
        "Listeners": "listener/app/",
        "Rules": "listener-rule/app/",
        "TagListeners": "/app/",
        "FirstInTheAccount": "aws-service-role/elasticloadbalancing.amazonaws.com/",
    }
    for statement in _statements(exposed):
        if statement["Sid"] in untagged:
            assert all(untagged[statement["Sid"]] in resource for resource in statement["Resource"])
        elif statement["Sid"] != "Look":
            tests = statement["Condition"]["StringEquals"]
            assert "vodstack-dev" in [value for key, value in tests.items() if "Tag/" in key], statement["Sid"]


def test_it_may_do_nothing_to_other_security_groups_than_its_own_and_the_nodes(exposed):
    rules = [each for each in _statements(exposed) if "ec2:AuthorizeSecurityGroupIngress" in each["Action"]]
    keys = {key for each in rules for key in each["Condition"]["StringEquals"]}
    assert keys == {"aws:ResourceTag/elbv2.k8s.aws/cluster", "aws:ResourceTag/aws:eks:cluster-name"}


def test_its_policy_fits_its_limit(exposed):
    assert len(json.dumps(_statements(exposed), separators=(",", ":"))) < INLINE_LIMIT_CHARACTERS


def test_a_cluster_with_a_controller_of_its_own_gets_no_second_one(bare):
    assert {each.name for each in bare.of_type("kubernetes:helm.sh/v3:Release")} == {"keda"}
    assert not [each for each in bare.of_type("aws:iam/role:Role") if "load-balancer" in each.name]
    assert not bare.of_type("aws:s3/bucketPolicy:BucketPolicy")
    assert _annotation(bare, "api", "jwt-validation") is None
    assert _params(bare)["scheme"] == "internal"
