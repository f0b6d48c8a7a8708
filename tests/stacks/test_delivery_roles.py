"""The roles that the delivery workflows take."""

import fnmatch
import json

import pytest

from vodstack_platform.deployment_access import MANAGED_POLICIES

POLICY_LIMIT_CHARACTERS = 6144
POLICIES_LIMIT = 10  # that a role may have attached


@pytest.fixture(scope="module")
def delivered(everything):
    return everything


def _statements(delivered, role):
    for policy in delivered.of_type("aws:iam/policy:Policy"):
        if policy.name.startswith(f"{role}-"):
            yield from json.loads(policy.inputs["policy"])["Statement"]


@pytest.mark.parametrize("role", ["deploy", "preview"])
def test_the_stack_says_who_its_workflows_are(delivered, role):
    assert delivered.outputs[f"{role}RoleArn"] == delivered.one("aws:iam/role:Role", role).outputs["arn"]


def test_without_a_repository_there_are_no_such_roles(dev):
    assert not dev.of_type("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert dev.outputs["deployRoleArn"] == dev.outputs["previewRoleArn"] == ""


def test_a_preview_changes_nothing(delivered):
    for statement in _statements(delivered, "preview"):
        for action in statement["Action"]:
            verb = action.partition(":")[2]
            assert action == "kms:Decrypt" or verb.startswith(("Get", "List", "Describe", "Batch", "View")), action


def test_a_deployment_cannot_widen_its_own_rights(delivered):
    own = delivered.one("aws:iam/role:Role", "deploy").inputs["path"]
    for statement in _statements(delivered, "deploy"):
        touched = [resource for resource in statement["Resource"] if own in resource]
        if touched and statement["Effect"] == "Allow":
            assert {action.partition(":")[2][:3] for action in statement["Action"]} <= {"Get", "Lis"}


def test_a_deployment_may_attach_exactly_the_policies_that_the_program_attaches(delivered):
    own = {policy.outputs["arn"] for policy in delivered.of_type("aws:iam/policy:Policy")}
    attached = {
        r.inputs["policyArn"] for r in delivered.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    } - own
    assert attached == {f"arn:aws:iam::aws:policy/{name}" for name in MANAGED_POLICIES}


def test_every_role_of_the_program_lies_where_a_deployment_reaches_it(delivered):
    for role in delivered.of_type("aws:iam/role:Role"):
        expected = "/vodstack-delivery/dev/" if role.name in ("deploy", "preview") else "/vodstack/dev/"
        assert role.inputs["path"] == expected, role.urn


def test_the_rights_of_a_deployment_cover_what_the_program_names(delivered):
    resources = {resource for s in _statements(delivered, "deploy") for resource in s["Resource"]}
    for kind in ("aws:sqs/queue:Queue", "aws:dynamodb/table:Table", "aws:ecr/repository:Repository"):
        for resource in delivered.of_type(kind):
            assert resource.outputs["arn"] in resources, resource.urn


def test_every_bucket_of_the_program_is_one_that_a_deployment_may_make(delivered):
    prefixes = [
        resource.removeprefix("arn:aws:s3:::").removesuffix("*")
        for statement in _statements(delivered, "deploy")
        if statement["Sid"] == "Bucket"
        for resource in statement["Resource"]
    ]
    buckets = delivered.of_type("aws:s3/bucket:Bucket")
    assert len(buckets) == 2
    for bucket in buckets:
        assert bucket.inputs["bucketPrefix"].startswith(tuple(prefixes)), bucket.urn


def test_every_rule_on_events_is_one_that_a_deployment_may_make(delivered):
    patterns = [
        resource
        for statement in _statements(delivered, "deploy")
        if "events:PutRule" in statement["Action"]
        for resource in statement["Resource"]
    ]
    rules = delivered.of_type("aws:cloudwatch/eventRule:EventRule")
    assert rules
    for rule in rules:
        assert any(fnmatch.fnmatch(rule.outputs["arn"], pattern) for pattern in patterns), rule.urn


def test_each_policy_fits_its_limit(delivered):
    policies = delivered.of_type("aws:iam/policy:Policy")
    for policy in policies:
        assert len(policy.inputs["policy"]) <= POLICY_LIMIT_CHARACTERS, policy.name
    assert len([policy for policy in policies if policy.name.startswith("deploy-")]) <= POLICIES_LIMIT


def test_the_deploy_role_administers_the_cluster_and_the_preview_role_looks(delivered):
    entries = delivered.one("eks:index:Cluster").inputs["accessEntries"]
    policies = {name: entry["accessPolicies"]["all"]["policyArn"].rpartition("/")[2] for name, entry in entries.items()}
    assert policies == {"deploy": "AmazonEKSClusterAdminPolicy", "preview": "AmazonEKSAdminViewPolicy"}


def test_an_account_that_has_the_provider_keeps_it(run):
    github = {"repository": "team/videos", "ownerId": 1, "repositoryId": 2, "createOidcProvider": False}
    shared = run("dev", foundation={"github": github})
    assert not shared.of_type("aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    (statement,) = json.loads(shared.one("aws:iam/role:Role", "deploy").inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"]["Federated"].endswith("oidc-provider/token.actions.githubusercontent.com")
