"""What the workflows' roles may do, row by row: action, resource, facts about the call, and AWS's answer."""

import json

import pytest
from tests.policy_judge import Call, admits, may, statements

from vodstack_platform.embedded.identity import role_by_arn

ACCOUNT, REGION = "123456789012", "us-east-1"
IAM = f"arn:aws:iam::{ACCOUNT}"
OWN, OTHERS, DELIVERY = (
    f"{IAM}:role/vodstack/dev/a",
    f"{IAM}:role/vodstack/prod/a",
    f"{IAM}:role/vodstack-delivery/dev/a",
)
BOUNDARY = f"{IAM}:policy/vodstack-delivery/dev/vodstack-dev-data-boundary"
BOUNDED = {"iam:PermissionsBoundary": BOUNDARY}
UNBOUNDED = {}
ELSEWHERE_BOUNDED = {"iam:PermissionsBoundary": f"{IAM}:policy/vodstack-delivery/prod/vodstack-prod-data-boundary"}
ADMIN = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
NODES = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}
HERE, ELSEWHERE = {"aws:RequestedRegion": REGION}, {"aws:RequestedRegion": "eu-west-1"}
OURS, THEIRS = {**HERE, "aws:ResourceTag/stack": "dev"}, {**HERE, "aws:ResourceTag/stack": "prod"}
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
STATE = f"arn:aws:s3:::vodstack-state-{ACCOUNT}-{REGION}"
OWN_STATE = f"{STATE}/dev/.pulumi/stacks/vodstack/dev.json"
BUCKET_KEY = {"kms:ResourceAliases": ["alias/vodstack-state"]}
VIA_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
OWN_SECRETS = {"kms:ResourceAliases": ["alias/vodstack-state/dev"]}
OTHER_SECRETS = {"kms:ResourceAliases": ["alias/vodstack-state/prod"]}
TEMPLATE = f"arn:aws:ec2:{REGION}:{ACCOUNT}:launch-template/lt-1"
POOL = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/p"
OWN_CLIENT = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/vodstack-dev-client/1"
MANY = ["CreateRole", "PutRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy"]

DEPLOY = [
    # A role has the boundary from its first moment on, keeps it, and lies in the stack's own path.
    *[(f"iam:{each}", OWN, {**BOUNDED, **NODES}, True) for each in MANY],
    *[(f"iam:{each}", OWN, {**UNBOUNDED, **NODES}, False) for each in MANY],
    *[(f"iam:{each}", OWN, {**ELSEWHERE_BOUNDED, **NODES}, False) for each in MANY],
    *[(f"iam:{each}", OWN, {"iam:PermissionsBoundary": ADMIN["iam:PolicyARN"], **NODES}, False) for each in MANY],
    *[(f"iam:{each}", place, {**BOUNDED, **NODES}, False) for each in MANY for place in (OTHERS, DELIVERY)],
    *[(f"iam:{each}", f"{IAM}:role/a", {**BOUNDED, **NODES}, False) for each in MANY],
    ("iam:AttachRolePolicy", OWN, {**BOUNDED, **ADMIN}, False),
    *[
        (f"iam:{each}RolePermissionsBoundary", place, facts, False)
        for each in ("Delete", "Put")
        for place in (OWN, OTHERS, DELIVERY, f"{IAM}:role/a")
        for facts in (BOUNDED, UNBOUNDED)
    ],
    *[
        (f"iam:{each}", BOUNDARY, {}, False)
        for each in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy", "DeletePolicyVersion")
    ],
    ("iam:GetPolicyVersion", BOUNDARY, {}, True),
    ("iam:CreatePolicy", f"{IAM}:policy/vodstack/dev/p", {}, False),
    ("iam:CreateInstanceProfile", f"{IAM}:instance-profile/p", {}, False),
    ("iam:AddRoleToInstanceProfile", f"{IAM}:instance-profile/p", {}, False),
    ("iam:CreateUser", f"{IAM}:user/u", BOUNDED, False),
    ("iam:CreateAccessKey", f"{IAM}:user/u", {}, False),
    (
        "iam:UpdateOpenIDConnectProviderThumbprint",
        f"{IAM}:oidc-provider/token.actions.githubusercontent.com",
        {},
        False,
    ),
    ("sts:AssumeRole", OWN, {}, False),
    *[("iam:PassRole", OWN, {"iam:PassedToService": f"{each}.amazonaws.com"}, True) for each in ("ec2", "eks")],
    ("iam:PassRole", OWN, {"iam:PassedToService": "pods.eks.amazonaws.com"}, True),
    ("iam:PassRole", OWN, {"iam:PassedToService": "lambda.amazonaws.com"}, False),
    ("iam:PassRole", OWN, {}, False),
    *[("iam:PassRole", place, {"iam:PassedToService": "ec2.amazonaws.com"}, False) for place in (OTHERS, DELIVERY)],
    # The stack's own key, and of the state's keys their use alone.
    *[(f"kms:{each}", KEY, {"aws:ResourceTag/stack": "dev"}, True) for each in ("PutKeyPolicy", "Decrypt")],
    *[(f"kms:{each}", KEY, {"aws:ResourceTag/stack": "prod"}, False) for each in ("PutKeyPolicy", "Decrypt")],
    *[(f"kms:{each}", KEY, {}, False) for each in ("PutKeyPolicy", "Decrypt", "ScheduleKeyDeletion", "TagResource")],
    ("kms:Decrypt", KEY, OWN_SECRETS, True),
    ("kms:Encrypt", KEY, OWN_SECRETS, True),
    ("kms:Decrypt", KEY, OTHER_SECRETS, False),
    ("kms:PutKeyPolicy", KEY, OWN_SECRETS, False),
    ("kms:GenerateDataKey", KEY, {**BUCKET_KEY, **VIA_S3}, True),
    ("kms:Decrypt", KEY, BUCKET_KEY, False),
    ("kms:UpdateAlias", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/vodstack-state/dev", {}, False),
    # Its own part of the bucket of states.
    *[(f"s3:{each}Object", OWN_STATE, {}, True) for each in ("Get", "Put", "Delete")],
    ("s3:PutObject", f"{STATE}/dev/.pulumi/locks/organization/vodstack/dev/l.json", {}, True),
    ("s3:PutObject", f"{STATE}/dev/.pulumi/history/vodstack/dev/h.json", {}, True),
    ("s3:GetObject", f"{STATE}/dev/.pulumi/meta.yaml", {}, True),
    ("s3:PutObject", f"{STATE}/dev/.pulumi/meta.yaml", {}, False),
    *[
        (f"s3:{each}Object", f"{STATE}/{other}", {}, False)
        for each in ("Get", "Put", "Delete")
        for other in (
            "prod/.pulumi/stacks/vodstack/prod.json",
            "dev/.pulumi/stacks/vodstack/prod.json",
            "dev/.pulumi/stacks/vodstack/dev2.json",
            "dev/.pulumi/stacks/other/dev.json",
            ".pulumi/stacks/vodstack/dev.json",
        )
    ],
    ("s3:ListBucket", STATE, {"s3:prefix": "dev/.pulumi/stacks/vodstack/dev.json"}, True),
    ("s3:ListBucket", STATE, {"s3:prefix": "prod/.pulumi/stacks/"}, False),
    ("s3:ListBucket", STATE, {"s3:prefix": ""}, False),
    ("s3:ListBucket", STATE, {}, False),
    ("s3:PutBucketPolicy", STATE, {}, False),
    ("s3:PutBucketPolicy", "arn:aws:s3:::vodstack-dev-1", {}, True),
    ("s3:PutBucketPolicy", "arn:aws:s3:::vodstack-prod-1", {}, False),
    # Another team's launch template would be a way to that team's rights.
    ("ec2:CreateLaunchTemplateVersion", TEMPLATE, OURS, True),
    *[
        (f"ec2:{each}", TEMPLATE, facts, False)
        for each in ("CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "DeleteLaunchTemplate", "CreateTags")
        for facts in (THEIRS, HERE, {**OURS, **ELSEWHERE})
    ],
    ("ec2:CreateTags", TEMPLATE, {**HERE, "ec2:CreateAction": "CreateLaunchTemplate"}, True),
    ("ec2:CreateVpc", f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/*", HERE, True),
    ("ec2:CreateVpc", f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/*", ELSEWHERE, False),
    ("ec2:DeleteVpc", f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/v", THEIRS, False),
    ("ec2:AuthorizeSecurityGroupIngress", f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/g", OURS, True),
    ("ec2:AuthorizeSecurityGroupIngress", f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/g", HERE, False),
    ("ec2:AuthorizeSecurityGroupIngress", f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/r", HERE, True),
    ("ec2:ModifyInstanceAttribute", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i", OURS, False),
    ("cognito-idp:DescribeUserPoolClient", POOL, {"aws:ResourceTag/stack": "dev"}, True),
    ("cognito-idp:DescribeUserPoolClient", POOL, {"aws:ResourceTag/stack": "prod"}, False),
    ("cognito-idp:UpdateUserPool", POOL, {}, False),
    *[(f"cloudformation:{each}Stack", OWN_CLIENT, {}, True) for each in ("Create", "Update", "Delete")],
    *[
        (f"cloudformation:{each}Stack", OWN_CLIENT.replace("-dev-", "-prod-"), {}, False)
        for each in ("Create", "Update", "Delete")
    ],
    ("iam:PassRole", OWN, {"iam:PassedToService": "cloudformation.amazonaws.com"}, False),
    ("ssm:PutParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/vodstack/dev/foundation/v1", {}, True),
    ("ssm:PutParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/vodstack/prod/foundation/v1", {}, False),
    ("eks:CreateAccessEntry", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/vodstack-dev", {}, True),
    ("eks:CreateAccessEntry", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/other", {}, False),
    ("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/twelve-labs-videos", {}, False),
]

PREVIEW = [
    ("s3:GetObject", OWN_STATE, {}, True),
    ("s3:GetObject", f"{STATE}/prod/.pulumi/stacks/vodstack/prod.json", {}, False),
    ("s3:GetObject", f"{STATE}/dev/.pulumi/stacks/vodstack/prod.json", {}, False),
    *[(f"s3:{each}Object", OWN_STATE, {}, False) for each in ("Put", "Delete")],
    ("s3:ListBucket", STATE, {"s3:prefix": "dev/.pulumi/stacks/vodstack/dev.json"}, True),
    ("s3:ListBucket", STATE, {"s3:prefix": "prod/.pulumi/"}, False),
    ("kms:Decrypt", KEY, OWN_SECRETS, True),
    ("kms:Decrypt", KEY, OTHER_SECRETS, False),
    ("kms:Decrypt", KEY, {}, False),
    ("kms:Decrypt", KEY, {"aws:ResourceTag/stack": "dev"}, False),
    ("kms:Decrypt", KEY, {**BUCKET_KEY, **VIA_S3}, True),
    ("kms:Decrypt", KEY, BUCKET_KEY, False),
    ("kms:Encrypt", KEY, OWN_SECRETS, False),
    ("kms:DescribeKey", KEY, {"aws:ResourceTag/stack": "dev"}, True),
    ("kms:DescribeKey", KEY, {"aws:ResourceTag/stack": "prod"}, False),
    # A client's secret is in that answer, and no field of it can be left out.
    ("cognito-idp:DescribeUserPoolClient", POOL, {"aws:ResourceTag/stack": "dev"}, False),
    ("cognito-idp:DescribeUserPool", POOL, {"aws:ResourceTag/stack": "dev"}, True),
    ("cloudformation:DescribeStacks", OWN_CLIENT, {}, True),
    ("cloudformation:UpdateStack", OWN_CLIENT, {}, False),
    ("ecr:GetAuthorizationToken", "*", HERE, False),
    ("ec2:DescribeVpcs", "*", HERE, True),
    ("ec2:DescribeVpcs", "*", ELSEWHERE, False),
    ("ec2:CreateTags", TEMPLATE, OURS, False),
    ("iam:GetRole", OWN, {}, True),
    ("iam:CreateRole", OWN, BOUNDED, False),
    ("iam:PassRole", OWN, {"iam:PassedToService": "ec2.amazonaws.com"}, False),
    ("s3:GetObject", "arn:aws:s3:::vodstack-dev-1/originals/a/source", {}, False),
    ("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/twelve-labs-videos", {}, False),
    ("dynamodb:Scan", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/twelve-labs-videos", {}, False),
    ("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:video-processing-queue", {}, False),
    ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/vodstack/dev/foundation/v1", {}, True),
    ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/vodstack/prod/foundation/v1", {}, False),
    ("sts:AssumeRole", OWN, {}, False),
]


@pytest.fixture(scope="module")
def policies(everything):
    return {
        name: role_by_arn(everything, everything.one("aws:iam/role:Role", name).outputs["arn"]).policies
        for name in ("deploy", "preview")
    }


@pytest.mark.parametrize(("role", "rows"), [("deploy", DEPLOY), ("preview", PREVIEW)])
def test_each_row_is_answered_as_it_says(policies, role, rows):
    wrong = [row for row in rows if may(policies[role], Call(*row[:3])) is not row[3]]
    assert wrong == []


EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
REFUSED = [
    *[(f"iam:{each}RolePermissionsBoundary", place) for each in ("Delete", "Put") for place in (OWN, OTHERS, DELIVERY)],
    *[(f"iam:{each}", BOUNDARY) for each in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion")],
    *[(f"iam:{each}", DELIVERY) for each in (*MANY, "DeleteRolePolicy", "DetachRolePolicy", "PassRole")],
]


def test_no_grant_that_is_added_some_day_lets_a_deployment_climb(policies):
    assert [row for row in REFUSED if may([*policies["deploy"], EVERYTHING], Call(*row, BOUNDED))] == []


def test_the_grants_alone_let_no_deployment_climb_either(policies):
    grants = [
        {"Statement": [each for each in statements(document) if each["Effect"] == "Allow"]}
        for document in policies["deploy"]
    ]
    assert [row for row in DEPLOY if may(grants, Call(*row[:3])) is not row[3]] == []


def test_whatever_a_preview_may_do_a_deployment_may(policies):
    allowed = [row for row in PREVIEW if row[3]]
    assert all(may(policies["deploy"], Call(*row[:3])) for row in allowed)


ISSUER = "token.actions.githubusercontent.com"
TOKEN = {
    "aud": "sts.amazonaws.com",
    "sub": "repo:team/videos:environment:dev",
    "repository_id": "22",
    "repository_owner_id": "11",
    "job_workflow_ref": "team/videos/.github/workflows/deploy.yml@refs/heads/main",
}
PULL_REQUEST = {
    **TOKEN,
    "sub": "repo:team/videos:pull_request",
    "job_workflow_ref": "team/videos/.github/workflows/preview.yml@refs/pull/7/merge",
}
TOKENS = [
    ("deploy", TOKEN, {}, True),
    ("deploy", TOKEN, {"sub": "repo:team@11/videos@22:environment:dev"}, True),
    ("deploy", TOKEN, {"sub": "repo:team@12/videos@22:environment:dev"}, False),
    ("deploy", TOKEN, {"sub": "repo:team@11/videos@23:environment:dev"}, False),
    ("deploy", TOKEN, {"sub": "repo:team/videos:environment:prod"}, False),
    ("deploy", TOKEN, {"sub": "repo:team/videos:ref:refs/heads/main"}, False),
    ("deploy", TOKEN, {"repository_id": "23"}, False),
    ("deploy", TOKEN, {"repository_owner_id": "12"}, False),
    ("deploy", TOKEN, {"aud": "https://github.com/team"}, False),
    ("deploy", TOKEN, {"job_workflow_ref": "team/videos/.github/workflows/other.yml@refs/heads/main"}, False),
    ("deploy", TOKEN, {"job_workflow_ref": "team/videos/.github/workflows/deploy.yml@refs/heads/feature"}, False),
    ("deploy", TOKEN, {"job_workflow_ref": "team/other/.github/workflows/deploy.yml@refs/heads/main"}, False),
    ("deploy", PULL_REQUEST, {}, False),
    *[("deploy", {key: value for key, value in TOKEN.items() if key != left_out}, {}, False) for left_out in TOKEN],
    ("preview", PULL_REQUEST, {}, True),
    ("preview", PULL_REQUEST, {"sub": "repo:team@11/videos@22:pull_request"}, True),
    ("preview", PULL_REQUEST, {"repository_id": "23"}, False),
    ("preview", PULL_REQUEST, {"repository_owner_id": "12"}, False),
    ("preview", PULL_REQUEST, {"job_workflow_ref": TOKEN["job_workflow_ref"]}, False),
    ("preview", PULL_REQUEST, {"job_workflow_ref": "team/videos/.github/workflows/ci.yml@refs/pull/7/merge"}, False),
    ("preview", TOKEN, {}, False),
]


@pytest.mark.parametrize(("role", "token", "changes", "expected"), TOKENS)
def test_which_of_githubs_tokens_take_a_role(everything, role, token, changes, expected):
    document = everything.one("aws:iam/role:Role", role).inputs["assumeRolePolicy"]
    facts = {f"{ISSUER}:{claim}": value for claim, value in {**token, **changes}.items()}
    call = Call("sts:AssumeRoleWithWebIdentity", DELIVERY, facts)
    provider = everything.one("aws:iam/openIdConnectProvider:OpenIdConnectProvider").outputs["arn"]
    assert admits(document, ("Federated", provider), call) is expected
    assert not admits(document, ("Federated", "arn:aws:iam::1:oidc-provider/other"), call)


def test_stacks_that_share_a_folder_read_their_own_state_alone(run):
    github = {"repository": "team/videos", "ownerId": 11, "repositoryId": 22, "statePrefix": "shared"}
    sharing = run("dev", layers=["foundation"], foundation={"github": github})
    policies = role_by_arn(sharing, sharing.outputs["previewRoleArn"]).policies
    assert may(policies, Call("s3:GetObject", f"{STATE}/shared/.pulumi/stacks/vodstack/dev.json"))
    assert not may(policies, Call("s3:GetObject", f"{STATE}/shared/.pulumi/stacks/vodstack/data.json"))
    assert not may(policies, Call("s3:GetObject", OWN_STATE))


def test_no_policy_of_the_workflows_is_larger_than_iam_takes(everything):
    for policy in everything.of_type("aws:iam/policy:Policy"):
        assert len(json.dumps(json.loads(policy.inputs["policy"]), separators=(",", ":"))) <= 6144, policy.name
