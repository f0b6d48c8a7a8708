import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodstack_contracts.videos import MOVES, Status, is_video_id, new_video_id, sources_of, timestamp


def test_every_state_has_its_moves_written_down():
    assert set(MOVES) == set(Status)


def test_a_video_is_deleted_from_every_other_state_and_never_comes_back():
    assert sources_of(Status.DELETED) == set(Status) - {Status.DELETED}
    assert MOVES[Status.DELETED] == frozenset()


def test_no_move_returns_to_uploading():
    assert sources_of(Status.UPLOADING) == frozenset()


def test_every_state_is_reached_from_uploading():
    reached, frontier = set[Status](), {Status.UPLOADING}
    while frontier:
        reached |= frontier
        frontier = {target for state in frontier for target in MOVES[state]} - reached
    assert reached == set(Status)


def test_a_new_id_is_a_video_id():
    assert is_video_id(new_video_id())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "not-a-uuid",
        "{457c7604-4f18-4c14-b604-df0ef63cebac}",
        "457C7604-4F18-4C14-B604-DF0EF63CEBAC",
        "457c76044f184c14b604df0ef63cebac",
        "urn:uuid:457c7604-4f18-4c14-b604-df0ef63cebac",
        " 457c7604-4f18-4c14-b604-df0ef63cebac",
    ],
)
def test_an_id_has_one_spelling(text: str):
    assert not is_video_id(text)


@given(st.datetimes(), st.datetimes())
def test_timestamps_sort_as_text_as_they_do_in_time(one, other):
    first, second = sorted([timestamp(one), timestamp(other)])
    assert (first == timestamp(min(one, other))) or first == second
