"""The multipart edge under generated bodies."""

import itertools
import re
from dataclasses import dataclass

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.app.conftest import Api

from vodstack_app.errors import UploadError
from vodstack_app.videos.fields import VideoFields
from vodstack_app.videos.form import FILE_NAME_LIMIT_BYTES, UploadForm, sanitise_file_name
from vodstack_app.videos.original import MAX_PARTS, SMALLEST_PART_BYTES, part_size_bytes

TIB = 1024**4
GIB = 1024**3

BOUNDARY = "b"
PIECES = [
    b"--b\r\n", b"\r\n--b\r\n", b"\r\n--b--", b"\r\n--b--\r\n", b"--b", b"\r\n", b"\r", b"\n", b"-",
    b'Content-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n',
    b'Content-Disposition: form-data; name="file"; filename="a\n.mp4"\r\n\r\n',
    b'Content-Disposition: form-data; name="title"\r\n\r\n',
    b'Content-Disposition: form-data; name="tags"\r\n\r\n',
    b"Content-Disposition: attachment\r\n\r\n", b"Content-Length: 3\r\n", b"bytes", b"\xff", b"",
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    data: bytes
    fields: VideoFields | None
    problem: str | None
    file_name: str


def run_form(chunks: list[bytes]) -> Outcome:
    form = UploadForm(BOUNDARY, max_file_bytes=10_000)
    data = b""
    try:
        for chunk in chunks:
            for piece in form.feed(chunk):
                data += piece
        return Outcome(data, form.finish(), None, form.file_name)
    except UploadError as error:
        # How much of a bad body's file was seen before the fault was found does depend on the cuts.
        return Outcome(b"", None, error.name, "")


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in itertools.pairwise(edges)]


@st.composite
def forms(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body that is well-formed, and its file."""
    # A file full of near-boundaries is what a careless parser trips over.
    pieces = st.lists(st.sampled_from([b"\r\n--", b"\r\n--c", b"\r", b"\n", b"-", b"x" * 50]), min_size=1, max_size=8)
    content = b"".join(draw(pieces))
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + content + b"\r\n"
    title = '--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + draw(st.text(max_size=20)) + "\r\n"
    parts = draw(st.permutations([file, title.encode(errors="ignore")]))
    return b"".join(parts) + b"--b--\r\n" + draw(st.sampled_from([b"", b"\r\n", b"epilogue"])), content


@settings(deadline=None, max_examples=200)
@given(form=forms(), places=st.lists(st.integers(0, 10_000), max_size=12))
def test_a_form_reads_the_same_however_it_is_cut(form: tuple[bytes, bytes], places: list[int]):
    body, content = form
    whole = run_form([body])
    assert run_form(cut(body, places)) == whole
    assert run_form([body[at : at + 1] for at in range(len(body))]) == whole
    if whole.problem is None:
        assert whole.data == content


@settings(deadline=None, max_examples=300)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14), places=st.lists(st.integers(0, 10_000), max_size=6))
@example(pieces=[PIECES[0], PIECES[9], b"bytes", b"\r\n--b--"], places=[5])
def test_any_body_is_taken_or_refused_the_same_however_it_is_cut(pieces: list[bytes], places: list[int]):
    body = b"".join(pieces)
    whole, in_cuts = run_form([body] if body else []), run_form(cut(body, places))
    assert (whole.data, whole.fields, whole.problem is None) == (in_cuts.data, in_cuts.fields, in_cuts.problem is None)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
def test_a_random_body_never_breaks_the_server_and_leaves_nothing_unless_taken(api: Api, pieces: list[bytes]):
    answer = api.post(b"".join(pieces))
    assert answer.status_code in {201, 400}
    if answer.status_code == 201:
        (record,) = api.records()
        assert api.objects() == [f"originals/{record.video_id}/source"]
        assert api.open_uploads() == []
        api.clear()
    else:
        api.assert_nothing_left()


@settings(deadline=None)
@given(name=st.text(max_size=400))
def test_a_file_name_comes_out_printable_short_and_without_folders(name: str):
    kept = sanitise_file_name(name)
    assert len(kept.encode()) <= FILE_NAME_LIMIT_BYTES
    assert not re.search(r"[/\\\x00-\x1f\x7f]", kept)
    assert kept.isprintable()
    assert sanitise_file_name(kept) == kept


def test_parts_stay_small_for_common_films_and_reach_a_tebibyte():
    sizes = [part_size_bytes(index) for index in range(MAX_PARTS)]
    assert sum(sizes) >= TIB
    assert max(sizes) <= 5 * GIB
    first_four_gib = 4 * GIB // SMALLEST_PART_BYTES + 1
    assert set(sizes[:first_four_gib]) == {SMALLEST_PART_BYTES}
