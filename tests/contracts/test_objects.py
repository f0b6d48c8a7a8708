import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodstack_contracts.errors import UnknownKeyError
from vodstack_contracts.objects import original_key, rendition_key, rendition_prefix, video_of_original

VIDEO = "457c7604-4f18-4c14-b604-df0ef63cebac"


def test_an_originals_key_names_its_video():
    assert video_of_original(original_key(VIDEO)) == VIDEO


@pytest.mark.parametrize(
    "key", ["", "originals/", f"originals/{VIDEO}", f"originals/{VIDEO}/other", f"x/originals/{VIDEO}/source"]
)
def test_other_keys_are_no_originals(key):
    with pytest.raises(UnknownKeyError):
        video_of_original(key)


@pytest.mark.parametrize("path", ["hls/master.m3u8", "hls/720p/segment_00001.m4s", "video.mp4", "poster.jpg"])
def test_a_published_file_lies_under_its_video(path):
    assert rendition_key(VIDEO, path) == f"renditions/{VIDEO}/{path}"


@pytest.mark.parametrize("path", ["", "/x", "x/", "../x", "hls/../../x", "hls//x", "a\n", "a%2e", "é", "..", "a/."])
def test_a_path_that_climbs_out_is_refused(path):
    with pytest.raises(UnknownKeyError):
        rendition_key(VIDEO, path)


@given(st.text())
def test_no_path_leaves_the_videos_own_prefix(path):
    try:
        key = rendition_key(VIDEO, path)
    except UnknownKeyError:
        return
    assert key.startswith(rendition_prefix(VIDEO))
    assert ".." not in key
