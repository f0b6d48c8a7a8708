import json
import os
import re
import subprocess
import sys
import uuid
from functools import cache
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from tests.policy_judge import Call, denies

from vodstack_cli.bootstrap import bootstrap
from vodstack_cli.errors import CommandError
from vodstack_cli.state_bucket import holds
from vodstack_cli.state_key import OBJECTS, secrets_of
from vodstack_contracts.state import KEY_ALIAS, secrets_alias

REGION = "eu-west-1"


class Account:
    """An AWS account of its own for one test, so that nothing another test made is in the way."""

    def __init__(self, endpoint: str, number: str | None = None):
        self.number = number or str(uuid.uuid4().int)[:12]
        assumed = boto3.client(
            "sts",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        ).assume_role(RoleArn=f"arn:aws:iam::{self.number}:role/admin", RoleSessionName="test")["Credentials"]
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": assumed["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": assumed["SecretAccessKey"],
            "AWS_SESSION_TOKEN": assumed["SessionToken"],
        }
        self.credentials: Any = {key.lower(): val for key, val in self.environment.items() if "ENDPOINT" not in key}
        self.endpoint = endpoint
        self.session: Any = boto3.session.Session(**self.credentials)

    @cache  # noqa: B019 - an account lives as long as its test
    def client(self, service):
        return self.session.client(service, region_name=REGION, endpoint_url=self.endpoint)

    def bootstrap(self, *arguments):
        result = CliRunner().invoke(bootstrap, ["--region", REGION, *arguments], env=self.environment)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def keys(self):
        return [key["KeyId"] for key in self.client("kms").list_keys()["Keys"]]


@pytest.fixture
def account(aws_endpoint):
    return Account(aws_endpoint)


@pytest.fixture
def bucket(account):
    return f"vodstack-state-{account.number}-{REGION}"


def test_it_prints_the_two_lines_to_run_and_nothing_else(account, bucket):
    assert account.bootstrap().stdout == (
        f"pulumi login 's3://{bucket}/dev?region={REGION}&awssdk=v2'\n"
        f"pulumi stack init dev --secrets-provider='awskms://{KEY_ALIAS}/dev?region={REGION}'\n"
    )


def test_the_command_runs_as_a_process_and_names_the_stack(account):
    program = "from vodstack_cli.bootstrap import bootstrap; bootstrap()"
    finished = subprocess.run(
        [sys.executable, "-c", program, "--stack", "prod"],
        env={"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1", **account.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"s3://vodstack-state-{account.number}-us-east-1/prod?region=us-east-1&awssdk=v2" in finished.stdout
    assert "pulumi stack init prod --secrets-provider='awskms://" in finished.stdout


def test_the_bucket_is_closed_versioned_and_encrypted_with_the_key(account, bucket):
    account.bootstrap()
    s3, kms = account.client("s3"), account.client("kms")
    key_arn = kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["Arn"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (encryption,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    assert encryption["BucketKeyEnabled"] is True
    policy, anybody = s3.get_bucket_policy(Bucket=bucket)["Policy"], ("AWS", f"arn:aws:iam::{account.number}:root")
    for resource in (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/dev/.pulumi/stacks/vodstack/dev.json"):
        for action in ("s3:GetObject", "s3:PutObject", "s3:ListBucket"):
            plain, safe = ({"aws:SecureTransport": value} for value in ("false", "true"))
            assert denies(policy, anybody, Call(action, resource, plain))
            assert not denies(policy, anybody, Call(action, resource, safe))
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}
    assert "Expiration" not in rule


def test_the_key_rotates_and_its_policy_names_this_account_alone_without_a_wildcard_action(account):
    account.bootstrap()
    kms = account.client("kms")
    key_id = kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is True
    policy = json.loads(kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
    assert {statement["Principal"]["AWS"] for statement in policy["Statement"]} == {
        f"arn:aws:iam::{account.number}:root"
    }
    assert not [action for statement in policy["Statement"] for action in statement["Action"] if "*" in action]


def test_a_second_run_changes_nothing_and_says_so(account):
    first = account.bootstrap()
    second = account.bootstrap()
    assert second.stdout == first.stdout
    assert second.stderr.startswith("Nothing to do")
    assert len(account.keys()) == 2


def test_each_stack_has_a_key_and_a_folder_of_its_own_and_all_share_the_bucket(account, bucket):
    first, second = account.bootstrap(), account.bootstrap("--stack", "a.b")
    assert f"s3://{bucket}/a.b?" in second.stdout
    assert f"awskms://{secrets_alias('a.b')}?" in second.stdout
    assert second.stdout != first.stdout
    kms = account.client("kms")
    aliases = {
        alias["AliasName"]: alias["TargetKeyId"] for alias in kms.list_aliases()["Aliases"] if "TargetKeyId" in alias
    }
    ours = {name: key for name, key in aliases.items() if name.startswith(KEY_ALIAS)}
    assert ours.keys() == {KEY_ALIAS, f"{KEY_ALIAS}/dev", f"{KEY_ALIAS}/a/b"}
    assert len(set(ours.values())) == 3
    for key in ours.values():
        assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True


def test_stacks_that_read_one_another_share_a_folder_and_not_a_key(account, bucket):
    data = account.bootstrap("--stack", "prod-data", "--prefix", "prod")
    assert f"s3://{bucket}/prod?" in data.stdout
    assert f"awskms://{secrets_alias('prod-data')}?" in data.stdout


def test_what_is_missing_is_repaired_and_told(account, bucket):
    account.bootstrap()
    s3 = account.client("s3")
    s3.delete_public_access_block(Bucket=bucket)
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_bucket_encryption(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert account.bootstrap().stderr.splitlines() == [
        f"bucket {bucket}: public access is blocked",
        f"bucket {bucket}: its owner owns every object",
        f"bucket {bucket}: only TLS is let in",
        f"bucket {bucket}: objects are encrypted with the key",
        f"bucket {bucket}: replaced versions go after 90 days",
    ]
    assert account.bootstrap().stderr.startswith("Nothing to do")


def test_suspended_versioning_and_stopped_rotation_are_repaired(account, bucket):
    account.bootstrap()
    s3, kms = account.client("s3"), account.client("kms")
    key_id = kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["KeyId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    kms.disable_key_rotation(KeyId=key_id)
    account.bootstrap()
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is True


def test_a_bare_bucket_and_a_key_without_its_alias_are_taken_up(account, bucket):
    """An earlier run may have ended between any two steps."""
    key_id = account.client("kms").create_key(Tags=[OBJECTS.mark])["KeyMetadata"]["KeyId"]
    secrets_id = account.client("kms").create_key(Tags=[secrets_of("dev").mark])["KeyMetadata"]["KeyId"]
    account.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    account.bootstrap()
    assert set(account.keys()) == {key_id, secrets_id}
    assert account.client("kms").describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["KeyId"] == key_id
    assert account.client("kms").describe_key(KeyId=secrets_alias("dev"))["KeyMetadata"]["KeyId"] == secrets_id


def test_statements_and_rules_that_a_team_added_stay(account, bucket):
    account.bootstrap()
    s3 = account.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    theirs = {**policy["Statement"][0], "Sid": "Theirs"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": [theirs]}))
    account.bootstrap()
    kept = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert [statement["Sid"] for statement in kept] == ["Theirs", "VodstackTlsOnly"]


def test_a_bucket_of_another_account_is_refused_and_left_alone(account, bucket, aws_endpoint):
    other = Account(aws_endpoint)
    other.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(CommandError, match="belongs to another AWS account"):
        account.bootstrap()
    assert other.client("s3").get_bucket_versioning(Bucket=bucket).get("Status") is None


def test_an_alias_on_somebody_elses_key_is_refused_and_the_key_left_alone(account):
    kms = account.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key_id)
    before = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    with pytest.raises(CommandError, match="did not make"):
        account.bootstrap()
    assert kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"] == before


def test_a_key_on_its_way_to_deletion_is_refused_with_the_way_back(account):
    account.bootstrap()
    kms = account.client("kms")
    kms.schedule_key_deletion(KeyId=account.keys()[0])
    with pytest.raises(CommandError, match="cancel-key-deletion"):
        account.bootstrap()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--stack", "dev'; rm -rf /"], "is no name of a stack"),
        (["--region", "eu-west-1?x=$(id)"], "is no AWS region"),
        (["--prefix", "a/../b"], "is no folder of a state"),
        (["--prefix", ".."], "is no folder of a state"),
        (["--stack", "state"], "No stack may be called"),
        (["--stack", "state-123456789012"], "No stack may be called"),
    ],
)
def test_names_that_would_reach_a_shell_or_the_state_itself_are_refused(account, arguments, words):
    with pytest.raises(CommandError, match=re.escape(words)):
        account.bootstrap(*arguments)


def test_missing_credentials_are_told_with_what_to_do(tmp_path):
    environment = {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")} | {
        "AWS_EC2_METADATA_DISABLED": "true"
    }
    nobody = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"))
    result = CliRunner().invoke(bootstrap, ["--region", REGION], env={**environment, **nobody})
    assert isinstance(result.exception, CommandError)
    assert "aws sso login" in str(result.exception)


def test_fields_that_aws_adds_are_no_difference_but_a_changed_one_is():
    assert holds({"Rules": [{"A": 1}]}, {"Rules": [{"A": 1, "B": 2}], "More": 3})
    assert not holds({"Rules": [{"A": 1}]}, {"Rules": [{"A": 2}]})
    assert not holds({"Rules": [{"A": 1}]}, {"Rules": []})
