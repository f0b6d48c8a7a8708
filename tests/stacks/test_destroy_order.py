"""A destroy goes from what depends to what is depended on: the order is in the graph, so it is asserted there."""

import pytest

NODES = "eks:index:ManagedNodeGroup"


@pytest.fixture(scope="module")
def outlives(dev):
    """Whether the first resource is still there when the second one goes."""
    resources = {resource.urn: resource for resource in dev.resources}

    def needs(urn: str, seen: set[str]) -> set[str]:
        resource = resources.get(urn)
        if resource is None or urn in seen:
            return seen
        seen.add(urn)
        properties = [each for urns in resource.property_dependencies.values() for each in urns]
        for each in (*resource.dependencies, *properties, resource.provider.rpartition("::")[0]):
            needs(each, seen)
        return seen

    return lambda first, second: first.urn in needs(second.urn, set()) - {second.urn}


def test_every_kubernetes_object_goes_before_the_nodes_and_the_cluster(dev, outlives):
    nodes, cluster = dev.one(NODES), dev.one("eks:index:Cluster")
    objects = [resource for resource in dev.resources if resource.type.startswith("kubernetes:")]
    assert len(objects) > 20
    for resource in objects:
        assert outlives(nodes, resource), resource.urn
        assert outlives(cluster, resource), resource.urn
    assert outlives(cluster, nodes)


def test_nodes_go_before_the_routes_by_which_they_are_drained(dev, outlives):
    nodes = dev.one(NODES)
    for kind in (
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/vpc:Vpc",
    ):
        for way in dev.of_type(kind):
            assert outlives(way, nodes), way.urn


@pytest.mark.parametrize(("release", "group"), [("keda", "keda.sh/"), ("monitoring", "monitoring.coreos.com/")])
def test_custom_resources_go_while_their_operator_lives(dev, outlives, release, group):
    operator = dev.one("kubernetes:helm.sh/v3:Release", release)
    objects = [resource for resource in dev.resources if resource.type.startswith(f"kubernetes:{group}")]
    assert objects
    for resource in objects:
        assert outlives(operator, resource), resource.urn


def test_the_operator_goes_before_its_rights(dev, outlives):
    operator = dev.one("kubernetes:helm.sh/v3:Release", "keda")
    association = dev.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "keda-operator")
    assert outlives(association, operator)
