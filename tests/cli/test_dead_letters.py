"""`vodstack dead-letters`, and what `jobs` says of letters that no worker can take."""

import json

import pytest
from tests.aws_proxy import AwsProxy, is_operation
from tests.cli.conftest import Operator, own_environment

from vodstack_cli.errors import CommandError
from vodstack_contracts.jobs import ChunkJob, encode_chunk
from vodstack_contracts.videos import Status, new_video_id

POISON = json.dumps({"Records": "of what?"})
CHUNK_POISON = "{}"


@pytest.fixture
def letters(operator: Operator) -> dict[str, str]:
    """Ids of dead letters: in each queue one that a worker could take, and one that none can."""
    video_id = operator.create(Status.QUEUED)
    chunk = encode_chunk(ChunkJob(video_id=video_id, plan_id="00c0ffee", number=1))
    return {
        "arrival": operator.give_up_on(operator.arrival_of(video_id)),
        "poison": operator.give_up_on(POISON),
        "chunk": operator.give_up_on_chunk(chunk),
        "chunk poison": operator.give_up_on_chunk(CHUNK_POISON),
    }


def _bodies(operator: Operator) -> list[str]:
    chunks = f"{operator.foundation.chunks_queue_url}-dlq"
    return [*operator.take_all(operator.foundation.dlq_url), *operator.take_all(chunks)]


@pytest.mark.parametrize("command", [["jobs"], ["dead-letters", "list"]])
def test_letters_are_listed_with_what_can_be_done_about_them(operator: Operator, letters: dict[str, str], command):
    shown = operator.run(*command)
    assert all(message_id in shown for message_id in letters.values())
    assert f"`vodstack redrive --stack {operator.stack}` sends 2 of them again." in shown
    assert "2 cannot be worked on, and would come back here" in shown
    assert "`drop` removes it" in shown
    assert len(_bodies(operator)) == len(letters)


def test_nothing_is_promised_of_letters_that_are_not_there(operator: Operator):
    operator.give_up_on(POISON)
    shown = operator.run("jobs")
    assert "1 cannot be worked on" in shown
    assert "redrive" not in shown
    assert operator.run("redrive").endswith("0 sent again, 1 kept.")
    _bodies(operator)
    assert operator.run("dead-letters", "list") == "There are no dead letters."
    assert "cannot" not in operator.run("jobs")


@pytest.mark.parametrize(("name", "body"), [("poison", POISON), ("chunk poison", CHUNK_POISON)])
def test_a_letter_is_dropped_after_it_was_shown_and_the_others_are_there_at_once(
    operator: Operator, letters: dict[str, str], name: str, body: str
):
    message_id = letters[name]
    shown = operator.run("dead-letters", "drop", message_id, "--yes")
    assert body in shown
    assert "reason: malformed: " in shown
    assert shown.endswith(f"{message_id} is removed.")
    left = _bodies(operator)
    assert len(left) == len(letters) - 1
    assert body not in left


def test_a_letter_is_shown_whole_and_stays(operator: Operator, letters: dict[str, str]):
    long = json.dumps({"Records": "x" * 2000})
    shown = operator.run("dead-letters", "show", operator.give_up_on(long))
    assert long in shown
    assert "body, 2,015 bytes:" in shown
    assert "chunk 1 of plan 00c0ffee" in operator.run("dead-letters", "show", letters["chunk"])
    assert len(_bodies(operator)) == len(letters) + 1


def test_a_letter_that_a_worker_could_take_is_offered_to_it_and_stays_unless_the_answer_is_yes(
    operator: Operator, letters: dict[str, str]
):
    message_id = letters["arrival"]
    for keys in ("\n", "n\n", ""):
        answer = operator.answer("dead-letters", "drop", message_id, keys=keys)
        assert f"`vodstack redrive --stack {operator.stack} --id {message_id}` sends it again instead" in answer.output
        assert (answer.exit_code, "Nothing was removed" in answer.output) == (1, True)
    assert "is removed" in operator.answer("dead-letters", "drop", message_id, keys="y\n").output
    assert len(_bodies(operator)) == len(letters) - 1


def test_a_letter_among_many_is_found(operator: Operator):
    ids = [operator.give_up_on(POISON) for _ in range(25)]
    operator.run("dead-letters", "drop", ids[-1], "--yes")
    assert len(_bodies(operator)) == 24


def test_an_id_of_no_message_is_told_and_removes_nothing(operator: Operator, letters: dict[str, str]):
    for unknown in (new_video_id(), operator.create(Status.QUEUED)):
        with pytest.raises(CommandError, match="No dead letter has the id"):
            operator.run("dead-letters", "drop", unknown, "--yes")
    assert len(_bodies(operator)) == len(letters)


def test_letters_go_back_though_one_of_them_could_not_be_explained(operator: Operator, letters: dict[str, str]):
    with AwsProxy(operator.foundation.endpoint_url) as proxy:
        proxy.intercept(is_operation("GetItem"), status=403)
        environment = own_environment(operator.foundation) | {"AWS_ENDPOINT_URL": proxy.url}
        failed = operator.answer("jobs", environment=environment)
    assert isinstance(failed.exception, CommandError)
    assert "AWS does not let you call GetItem" in str(failed.exception)
    assert len(_bodies(operator)) == len(letters)
