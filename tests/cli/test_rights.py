"""The rights that docs/operations.md lists for the operator's commands: enough, and none too many, as moto judges."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tests.aws_proxy import AwsProxy, is_operation
from tests.cli.conftest import Operator
from tests.conftest import REPOSITORY, Foundation

from vodstack_cli.errors import CommandError
from vodstack_contracts.videos import Status
from vodstack_platform.embedded.emulator import Credentials, Emulator, running_emulator
from vodstack_platform.embedded.engine import run_program
from vodstack_platform.embedded.policies import loosened

# One process makes the account, for it takes a program's run.
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
USER = "operator"
# moto knows no key policies, and answers 404 for a missing object whoever asks.
UNJUDGED = {"kms:Decrypt", "kms:GenerateDataKey", "s3:ListBucket"}
COMMANDS = (
    "jobs",
    "jobs --videos",
    "dead-letters list",
    "dead-letters show",
    "dead-letters drop",
    "redrive",
    "retry",
)


def _listed() -> list[tuple[set[str], str, str]]:
    """The page's rows: rights, on what, and which commands need them."""
    section = PAGE.read_text().partition("## Rights\n")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "`" in line]
    return [(set(re.findall(r"`([a-z0-9]+:\w+)`", row[0])), row[1], row[2]) for row in rows if len(row) == 3]


def _needed(command: str) -> dict[str, str]:
    """A command's rights by the page, and on what."""
    found: dict[str, str] = {}
    for rights, on, commands in _listed():
        names = re.findall(r"`([a-z -]+)`", commands)
        if commands == "all" or any(f"{command} ".startswith(f"{name} ") for name in names):
            found |= dict.fromkeys(rights, on)
    return found


@dataclass(frozen=True)
class Account(Foundation):
    """A foundation, with IAM enforced: its administrator arranges things, its operator runs the commands."""

    emulator: Emulator
    administrator: Credentials
    operator: Credentials

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | self.operator.environment

    def client(self, service: str) -> Any:
        return self.emulator.client(service, credentials=self.administrator)

    def permit(self, rights: dict[str, str]) -> None:
        """Let the operator do just this."""
        places = {"the bucket": [f"arn:aws:s3:::{self.bucket}"]}
        places["`originals/*` of the bucket"] = [f"arn:aws:s3:::{self.bucket}/originals/*"]
        statements = [
            {"Effect": "Allow", "Action": [right], "Resource": places.get(on, ["*"])} for right, on in rights.items()
        ]
        policy = json.dumps(loosened(json.dumps({"Statement": statements})))
        self.client("iam").put_user_policy(UserName=USER, PolicyName="rights", PolicyDocument=policy)


def _person(iam: Any, name: str) -> Credentials:
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(access_key_id=keys["AccessKeyId"], secret_access_key=keys["SecretAccessKey"])


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with running_emulator() as emulator:
        layers = {"vodstack:layers": ["foundation"]}
        deployed = run_program(
            "local",
            project=REPOSITORY,
            endpoint=emulator.endpoint_url,
            config_overrides={**layers, "vodstack:foundation": {"tables": {"videos": "videos-rights"}}},
            name="test-rights",
        ).outputs
        iam: Any = emulator.client("iam")
        administrator, operator = _person(iam, "administrator"), _person(iam, USER)
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="administrator", PolicyName="all", PolicyDocument=json.dumps(everything))
        emulator.enforce_iam()
        yield Account(
            endpoint_url=emulator.endpoint_url,
            bucket=deployed["bucketName"],
            videos_table=deployed["videosTableName"],
            work_table=deployed["workTableName"],
            queue_url=deployed["arrivalsQueueUrl"],
            dlq_url=deployed["arrivalsDlqUrl"],
            chunks_queue_url=deployed["chunksQueueUrl"],
            emulator=emulator,
            administrator=administrator,
            operator=operator,
        )


@dataclass(frozen=True)
class Case:
    """A stack in which there is something for each command to do."""

    operator: Operator
    account: Account

    def run(self, command: str, rights: dict[str, str]) -> str:
        operator = self.operator
        operator.take_all(self.account.dlq_url)
        failed = operator.create(Status.FAILED)
        operator.store_original(failed)
        letter = operator.give_up_on(operator.arrival_of(failed))
        operator.give_up_on("{}")
        self.account.permit(rights)
        ends = {"retry": [failed], "dead-letters show": [letter], "dead-letters drop": [letter, "--yes"]}
        return operator.run(*command.split(), *ends.get(command, ()))


@pytest.fixture
def case(account: Account) -> Case:
    return Case(Operator(account), account)


def test_every_row_of_the_page_is_of_a_command():
    named = set(chain.from_iterable(re.findall(r"`([a-z -]+)`", commands) for _, _, commands in _listed()))
    assert named == {"jobs", "jobs --videos", "dead-letters", "dead-letters drop", "redrive", "retry"}
    assert {"s3:GetObject", "s3:ListBucket"} <= _needed("retry").keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_rights_that_the_page_lists_for_a_command_are_enough(case: Case, command: str):
    case.run(command, _needed(command))


@pytest.mark.prove  # each right that is taken away costs the seconds of a queue's poll
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_every_right_that_the_page_lists_for_it(case: Case, command: str):
    rights = _needed(command)
    for right in rights.keys() - UNJUDGED:
        with pytest.raises(CommandError, match="does not let you"):
            case.run(command, {name: on for name, on in rights.items() if name != right})


def test_a_missing_original_is_told_as_that_by_whom_may_list(case: Case):
    video_id = case.operator.create(Status.FAILED)
    case.account.permit(_needed("retry"))
    with pytest.raises(CommandError, match="has to be uploaded again"):
        case.operator.run("retry", video_id)


def test_a_refused_original_names_both_rights(case: Case):
    """As S3 answers for a missing original where s3:ListBucket is lacking: without a body, and so without a code."""
    video_id = case.operator.create(Status.FAILED)
    case.account.permit(_needed("retry"))
    with AwsProxy(case.account.endpoint_url) as proxy:
        proxy.intercept(is_operation("HeadObject"), status=403)
        aside = Operator(replace(case.account, endpoint_url=proxy.url))
        with pytest.raises(CommandError, match=r"s3:GetObject on originals/\*, and for s3:ListBucket"):
            aside.run("retry", video_id)
