"""A destroy goes from what depends to what is depended on: the order is in the graph, so it is asserted there."""

import pytest

NODES = "eks:index:ManagedNodeGroup"
RELEASE = "kubernetes:helm.sh/v3:Release"
POOL, NODE_CLASS = "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
INGRESS_CLASS = "kubernetes:networking.k8s.io/v1:IngressClass"
INGRESS_PARAMS = "kubernetes:elbv2.k8s.aws/v1beta1:IngressClassParams"


@pytest.fixture(scope="module")
def full(everything):
    return everything


@pytest.fixture(scope="module")
def outlives(full):
    """Whether the first resource is still there when the second one goes."""
    resources = {resource.urn: resource for resource in full.resources}

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


def _of_karpenter(resource) -> bool:
    """What makes Karpenter's nodes, and the nodes themselves: they have a provider of their own."""
    return "pulumi:providers:kubernetes::karpenter" in resource.provider


def test_every_kubernetes_object_goes_before_the_nodes_and_the_cluster(full, outlives):
    nodes, cluster = full.one(NODES), full.one("eks:index:Cluster")
    objects = [resource for resource in full.resources if resource.type.startswith("kubernetes:")]
    assert len(objects) > 30
    for resource in objects:
        assert outlives(nodes, resource), resource.urn
        assert outlives(cluster, resource), resource.urn
    assert outlives(cluster, nodes)


def test_nodes_go_before_the_routes_by_which_they_are_drained(full, outlives):
    nodes = full.one(NODES)
    for kind in (
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/vpc:Vpc",
    ):
        for way in full.of_type(kind):
            assert outlives(way, nodes), way.urn


@pytest.mark.parametrize(
    ("release", "groups"),
    [
        ("keda", ["keda.sh/"]),
        ("monitoring", ["monitoring.coreos.com/"]),
        ("karpenter", ["karpenter.sh/", "karpenter.k8s.aws/"]),
        ("load-balancers", ["elbv2.k8s.aws/", "networking.k8s.io/v1:Ingress"]),
    ],
)
def test_objects_go_while_their_operator_lives(full, outlives, release, groups):
    operator = full.one(RELEASE, release)
    for group in groups:
        objects = [resource for resource in full.resources if resource.type.startswith(f"kubernetes:{group}")]
        assert objects
        for resource in objects:
            assert outlives(operator, resource), resource.urn


@pytest.mark.parametrize(
    ("release", "account"),
    [
        ("keda", "keda-operator"),
        ("karpenter", "karpenter"),
        ("load-balancers", "aws-load-balancer-controller"),
    ],
)
def test_an_operator_goes_before_its_rights(full, outlives, release, account):
    operator = full.one(RELEASE, release)
    assert outlives(full.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", account), operator)
    assert outlives(full.one("aws:iam/rolePolicy:RolePolicy", f"{account}-policy"), operator)
    assert outlives(full.one("aws:eks/addon:Addon", "eks-pod-identity-agent"), operator)


def test_all_pods_are_gone_before_the_nodes_that_karpenter_made(full, outlives):
    pool = full.one(POOL)
    objects = [each for each in full.resources if each.type.startswith("kubernetes:") and not _of_karpenter(each)]
    assert {"Deployment", "Release", "Namespace", "Ingress", "ScaledObject"} <= {
        each.type.rpartition(":")[2] for each in objects
    }
    for resource in objects:
        assert outlives(pool, resource), resource.urn


def test_nodes_of_karpenter_leave_while_it_lives_and_while_they_may(full, outlives):
    pool, node_class, controller = full.one(POOL), full.one(NODE_CLASS), full.one(RELEASE, "karpenter")
    assert outlives(node_class, pool)
    assert outlives(controller, node_class)
    assert outlives(full.one(RELEASE, "karpenter-crd"), controller)
    assert outlives(full.one("aws:sqs/queue:Queue", "interruptions"), controller)
    assert outlives(full.one("aws:eks/accessEntry:AccessEntry"), node_class)
    rights = [
        each
        for each in full.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        if each.name.startswith("karpenter-nodes-")
    ]
    assert len(rights) == 3
    for right in rights:
        assert outlives(right, node_class), right.urn


def test_a_load_balancer_goes_before_its_class_and_before_whatever_it_stands_on(full, outlives):
    for ingress in full.of_type(INGRESS):
        assert outlives(full.one(INGRESS_CLASS), ingress)
        for kind in ("aws:ec2/subnet:Subnet", "aws:ec2/internetGateway:InternetGateway", "aws:ec2/vpc:Vpc"):
            for ground in full.of_type(kind):
                assert outlives(ground, ingress), ground.urn
    assert outlives(full.one(INGRESS_PARAMS), full.one(INGRESS_CLASS))


def test_logs_have_a_place_as_long_as_there_is_a_load_balancer(full, outlives):
    for kind, name in (("bucket:Bucket", "access-logs"), ("bucketPolicy:BucketPolicy", "access-logs-writers")):
        assert outlives(full.one(f"aws:s3/{kind}", name), full.one(INGRESS_PARAMS))


def test_volumes_go_with_their_namespace_while_the_driver_that_removes_them_lives(full, outlives):
    driver = full.one("aws:eks/addon:Addon", "aws-ebs-csi-driver")
    assert outlives(driver, full.one("kubernetes:core/v1:Namespace", "monitoring"))
    assert outlives(full.one("kubernetes:core/v1:Namespace", "monitoring"), full.one(RELEASE, "monitoring"))


def test_what_is_protected_by_aws_is_protected_by_pulumi_too_so_that_a_destroy_stops_before_it_starts(run, full):
    """AWS would refuse in the middle, when whatever depends on it is gone."""
    elsewhere = {"foundation": "organization/vodstack/data"}
    protected = run("dev", layers=["cluster"], references=elsewhere, cluster={"deletionProtection": True})
    kinds = {
        "aws:cognito/userPool:UserPool": "deletionProtection",
        "aws:dynamodb/table:Table": "deletionProtectionEnabled",
        "eks:index:Cluster": "deletionProtection",
    }
    for deployed in (protected, full):
        for kind, key in kinds.items():
            for resource in deployed.of_type(kind):
                assert resource.protect == (resource.inputs[key] in (True, "ACTIVE")), resource.urn
    assert protected.one("eks:index:Cluster").protect
    assert not full.one("eks:index:Cluster").protect
