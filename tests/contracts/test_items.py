import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodstack_contracts.errors import MalformedItemError
from vodstack_contracts.items import from_attribute, from_item, to_attribute, to_item
from vodstack_contracts.videos import Audio, AudioRole, Caption, Playback, Status, VideoRecord, new_video_id, timestamp

scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    scalars | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_a_plain_value_survives_the_way_through_an_attribute(value):
    assert from_attribute(to_attribute(value)) == value


def _record(**fields) -> VideoRecord:
    return VideoRecord(
        video_id=new_video_id(), status=Status.QUEUED, upload_date=timestamp(), updated_at=timestamp(), **fields
    )


def test_a_record_survives_the_way_through_an_item():
    record = _record(title="Ünï \0 code", tags=["a", ""], size_bytes=0, progress=0.25)
    assert from_item(to_item(record), VideoRecord) == record


def test_captions_and_audio_stay_with_a_record_and_one_of_before_has_none():
    caption = Caption(language="de", label='"ü"', key="c")
    audio = Audio(language="de", label='"ü"', role=AudioRole.DESCRIPTION, default=False)
    playback = Playback(
        hls_key="h", mp4_key="m", poster_key="p", mp4_size_bytes=1, captions=[caption], audio=[audio, audio]
    )
    record = _record(playback=playback)
    item = to_item(record)
    assert from_item(item, VideoRecord) == record
    del item["playback"]["M"]["captions"], item["playback"]["M"]["audio"]
    earlier = from_item(item, VideoRecord).playback
    assert earlier is not None
    assert (earlier.captions, earlier.audio) == ([], [])


def test_an_empty_owner_stays_out_of_the_sparse_index():
    assert "owner" not in to_item(_record())


def test_attributes_of_a_newer_version_are_passed_over():
    record = _record()
    assert from_item(to_item(record) | {"from_the_future": {"S": "x"}}, VideoRecord) == record


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"video_id": {"S": "x"}},
        to_item(_record()) | {"status": {"S": "asleep"}},
        to_item(_record()) | {"progress": {"N": "1.5"}},
        to_item(_record()) | {"tags": {"SS": ["a"]}},
    ],
)
def test_an_item_that_is_no_record_is_refused(item):
    with pytest.raises(MalformedItemError):
        from_item(item, VideoRecord)


def test_a_set_of_numbers_is_read():
    assert from_attribute({"NS": ["3", "1"]}) == {1, 3}
