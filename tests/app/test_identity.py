from tests.app.conftest import Api

from vodstack_app.identity import EVERYBODY, Identity


def test_an_owner_sees_what_is_theirs_alone():
    somebody = Identity(owner="a")
    assert [somebody.may_see(owner) for owner in ("a", "b", None)] == [True, False, False]


def test_who_sees_all_sees_what_belongs_to_nobody_too():
    assert [EVERYBODY.may_see(owner) for owner in ("anonymous", "b", None)] == [True, True, True]


def test_an_upload_is_written_down_as_its_senders(api: Api):
    api.upload(b"x")
    assert [record.owner for record in api.records()] == ["anonymous"]
