"""Who reaches the services, and what they reach: judged by what each policy admits."""

import ipaddress

import pytest

METADATA, AGENT, AWS = "169.254.169.254", "169.254.170.23", "52.94.0.1"


def _policies(deployed):
    return {r.name: r.inputs["spec"] for r in deployed.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")}


def _admits(block, address):
    inside = ipaddress.ip_address(address) in ipaddress.ip_network(block["cidr"])
    return inside and not any(
        ipaddress.ip_address(address) in ipaddress.ip_network(each) for each in block.get("except", [])
    )


def _ports_to(deployed, address):
    """The ports at which any pod reaches an address."""
    return {
        port["port"]
        for spec in _policies(deployed).values()
        for rule in spec.get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer and _admits(peer["ipBlock"], address)
        for port in rule["ports"]
    }


def _callers(deployed, service):
    """The peers that reach a service, each with its port."""
    return [
        (peer, port["port"])
        for spec in _policies(deployed).values()
        for rule in spec.get("ingress", [])
        if spec["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name") == service
        for peer in rule["from"]
        for port in rule["ports"]
    ]


def test_what_no_policy_names_is_denied(dev):
    assert _policies(dev)["deny-all"] == {"podSelector": {}, "policyTypes": ["Egress", "Ingress"]}
    for name, spec in _policies(dev).items():
        for rule in (*spec.get("ingress", []), *spec.get("egress", [])):
            assert rule["ports"], name
            assert rule.get("from") or rule.get("to"), name


@pytest.mark.parametrize(("address", "ports"), [(METADATA, set()), (AGENT, {80}), (AWS, {443})])
def test_pods_reach_aws_and_their_identity_but_never_the_instances_metadata(dev, address, ports):
    assert _ports_to(dev, address) == ports


def test_pods_ask_the_clusters_own_name_server_alone(dev):
    (rule,) = _policies(dev)["names"]["egress"]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert {(port["port"], port["protocol"]) for port in rule["ports"]} == {(53, "UDP"), (53, "TCP")}


@pytest.mark.parametrize("service", ["api", "worker"])
def test_prometheus_reaches_the_port_that_it_scrapes(dev, service):
    pod = dev.one("kubernetes:apps/v1:Deployment", service).inputs["spec"]["template"]
    (port,) = (port for port in pod["spec"]["containers"][0]["ports"] if port["name"] == "metrics")
    monitoring = dev.one("kubernetes:core/v1:Namespace", "monitoring").inputs["metadata"]["name"]
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": monitoring}}}
    scraped = (peer, port["containerPort"])
    assert [each for each in _callers(dev, service) if each[1] == scraped[1]] == [scraped]


def test_the_api_is_called_by_pods_alone_unless_the_config_opens_it(dev, run):
    assert ({"namespaceSelector": {}}, 8080) in _callers(dev, "api")
    assert not [peer for peer, _ in _callers(dev, "api") if "ipBlock" in peer]
    exposure = {"mode": "load-balancer", "sourceRanges": ["198.51.100.0/24"]}
    opened = _callers(run("dev", services={"exposure": exposure}), "api")
    assert ({"ipBlock": {"cidr": "198.51.100.0/24"}}, 8080) in opened
    assert ({"namespaceSelector": {}}, 8080) not in opened


def test_nobody_but_prometheus_reaches_the_worker(dev):
    assert len(_callers(dev, "worker")) == 1


def test_the_cluster_enforces_policies(dev):
    assert dev.one("eks:index:Cluster").inputs["vpcCniOptions"]["enableNetworkPolicy"] is True
