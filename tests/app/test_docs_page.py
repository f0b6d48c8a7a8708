"""/docs says what /openapi.json says, in a form for people, and sends requests."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app.conftest import Api, serving
from tests.app.issuer import Issuer
from tests.app.test_video import ready_record
from tests.chromium import Page, find_chromium, open_page

from vodstack_app.docs.samples import EXAMPLE_ID

LANGUAGES = ("curl", "Python", "JavaScript")
PLAYLIST = b"#EXTM3U\n"


@pytest.fixture
def sections(api: Api) -> dict[str, str]:
    """The page's part on each operation."""
    page = api.client.get("/docs").text
    return dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL))


def _rows(section: str) -> dict[str, str]:
    return dict(re.findall(r"<tr><td><code>([^<]+)</code></td>(.*?)</tr>", section, re.DOTALL))


def test_only_what_must_be_sent_is_marked_as_required(api: Api, sections: dict[str, str]):
    for item in api.client.get("/openapi.json").json()["paths"].values():
        for operation in item.values():
            rows = _rows(sections[operation["operationId"]])
            for parameter in operation.get("parameters", []):
                assert (">required<" in rows[parameter["name"]]) is bool(parameter.get("required")), parameter
    assert ">required<" not in _rows(sections["listVideos"])["limit"]
    assert ">required<" in _rows(sections["getVideo"])["video_id"]


def test_a_parameter_of_few_words_shows_them(sections: dict[str, str]):
    row = _rows(sections["listVideos"])["status"]
    assert re.findall(r"<code>(\w+)</code>", row) == ["uploading", "queued", "processing", "ready", "failed"]
    assert "null" not in row


def test_answers_come_in_their_order_and_say_what_they_are(sections: dict[str, str]):
    for section in sections.values():
        statuses = re.findall(r"<summary><b>(\d+)</b>", section)
        assert statuses == sorted(statuses)
        assert not re.search("Request fulfilled|Document created", section)


def test_names_within_a_sentence_are_set_as_code(sections: dict[str, str]):
    prose = re.sub(r"<pre.*?</pre>|<form.*?</form>", "", unescape("".join(sections.values())), flags=re.DOTALL)
    assert "`" not in prose
    assert "shorter than <code>limit</code>" in prose
    assert "?." not in prose


def test_limits_are_shown(api: Api, sections: dict[str, str]):
    limits = {
        ("listVideos", "limit"): ["1 to 100", "20 unless given"],
        ("listVideos", "tag"): ["1 to 100 characters"],
        ("getVideo", "video_id"): ["a UUID"],
        ("uploadVideo", "file"): ["21,474,836,480 bytes (20 GiB)"],
        ("uploadVideo", "title"): ["up to 500 characters"],
        ("uploadVideo", "metadata"): ["up to 50 entries", "16 KiB"],
        ("editVideo", "tags"): ["up to 100 characters", "up to 50 entries"],
        ("startUpload", "sizeBytes"): ["1 to 21,474,836,480 (20 GiB)"],
        ("startUpload", "fileName"): ["1 to 255 characters"],
    }
    for (operation, field), words in limits.items():
        row = re.sub(r"<[^>]+>", " ", _rows(sections[operation])[field])
        assert [word for word in words if word not in row] == [], (operation, field, row)
    structures = re.sub(r"<[^>]+>", "", api.client.get("/docs").text.partition("<h1>Structures</h1>")[2])
    assert "progressnumberrequired0 to 1" in structures
    assert "numberintegerrequired1 to 9,000" in structures


def test_a_service_says_how_large_a_file_it_takes(serve: Callable[..., Api]):
    api = serve(VODSTACK_MAX_UPLOAD_BYTES="3000000")
    for path in ("/openapi.json", "/docs/openapi.json"):
        described = api.client.get(path).json()["paths"]
        form = described["/videos"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        start = described["/uploads"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert (form["properties"]["file"]["maxLength"], start["properties"]["sizeBytes"]["maximum"]) == (3e6, 3e6)
    assert "3,000,000 bytes (2.861 MiB)" in api.client.get("/docs").text


def test_an_example_shows_its_nulls(api: Api, sections: dict[str, str]):
    change = {"title": "Harbour at dusk", "description": None, "metadata": {"camera": None}}
    patch = api.client.get("/openapi.json").json()["paths"]["/videos/{video_id}"]["patch"]
    for content in patch["requestBody"]["content"].values():
        assert content["examples"]["change"]["value"] == change
    shown = [unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", sections["editVideo"], re.DOTALL)]
    assert json.loads(shown[0]) == change
    assert "null: by its file name" in sections["editVideo"]


def _lines(page: str, language: str) -> dict[str, str]:
    """The page's lines in a language, by operation."""
    found: dict[str, str] = {}
    for name, section in re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL):
        lines = re.search(f'<pre data-language="{language}">(.*?)</pre>', section, re.DOTALL)
        found |= {name: unescape(lines[1])} if lines else {}
    return found


def _run(lines: str, language: str, folder: Path, **environment: str) -> str:
    commands = {
        "curl": ["bash", "-ec", lines],
        "Python": [sys.executable, "-c", lines],
        "JavaScript": ["node", "--input-type=module", "--eval", lines],
    }
    program = {"curl": "curl", "JavaScript": "node"}.get(language)
    if program and shutil.which(program) is None:
        pytest.skip(f"{program} is not on PATH")
    command = commands[language]
    ran = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, f"{lines}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(b"a clip")
    return tmp_path


@pytest.fixture
def ready(api: Api) -> str:
    """The id of a video that can be played."""
    record = ready_record()
    api.put_record(record)
    key = f"renditions/{record.video_id}/hls/master.m3u8"
    api.s3.put_object(Bucket=api.foundation.bucket, Key=key, Body=PLAYLIST)
    return record.video_id


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_operation_has_lines_that_ask_this_api(api: Api, language: str):
    lines = _lines(api.client.get("/docs").text, language)
    assert len(lines) == len(re.findall('"operationId"', api.client.get("/openapi.json").text))
    assert [name for name, text in lines.items() if api.url not in text] == []
    assert [name for name, text in lines.items() if "TOKEN" in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_upload_and_change_a_video_as_printed(api: Api, folder: Path, language: str):
    lines = _lines(api.client.get("/docs").text, language)
    assert "videoId" in _run(lines["uploadVideo"], language, folder)
    (record,) = api.records()
    assert api.original(record.video_id) == b"a clip"
    assert (record.title, record.tags, record.metadata) == ("Harbour at dawn", ["harbour", "dawn"], {"camera": "north"})
    assert record.video_id in _run(lines["listVideos"], language, folder)
    changed = _run(lines["editVideo"].replace(EXAMPLE_ID, record.video_id), language, folder)
    assert "Harbour at dusk" in changed
    (record,) = api.records()
    assert (record.title, record.description, record.metadata) == ("Harbour at dusk", "", {})


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_look_at_play_and_delete_a_video_as_printed(api: Api, ready: str, folder: Path, language: str):
    lines = _lines(api.client.get("/docs").text, language)

    def run(name: str) -> str:
        return _run(lines[name].replace(EXAMPLE_ID, ready), language, folder)

    assert "360p" in run("getVideo")
    assert '"status":"ready"' in run("watchVideo")
    assert PLAYLIST.decode() in run("playVideo")
    assert "alive" in run("checkLiveness")
    run("deleteVideo")
    assert api.client.get(f"/videos/{ready}").status_code == 404


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_start_look_at_and_abort_an_upload_as_printed(api: Api, folder: Path, language: str):
    lines = _lines(api.client.get("/docs").text, language)
    assert "partSizeBytes" in _run(lines["startUpload"], language, folder)
    (record,) = api.records()
    assert "arrived" in _run(lines["getUpload"].replace(EXAMPLE_ID, record.video_id), language, folder)
    assert "incomplete-upload" in _run(lines["completeUpload"].replace(EXAMPLE_ID, record.video_id), language, folder)
    _run(lines["abortUpload"].replace(EXAMPLE_ID, record.video_id), language, folder)
    api.assert_nothing_left()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_send_a_token_where_one_is_needed(shared_api: Api, folder: Path, language: str):
    with Issuer() as issuer, serving(shared_api.foundation, **issuer.settings()) as api:
        lines = _lines(api.client.get("/docs").text, language)
        assert "nextCursor" in _run(lines["listVideos"], language, folder, TOKEN=issuer.token())
        assert "invalid-token" in _run(lines["listVideos"], language, folder, TOKEN="none")
        assert "TOKEN" not in lines["checkLiveness"]


def test_a_hosts_name_stays_one_word_of_the_line(api: Api):
    page = httpx.get(f"{api.url}/docs", headers={"Host": "x';touch$IFS'y"})
    assert page.status_code == 200
    assert shlex.split(_lines(page.text, "curl")["checkLiveness"]) == ["curl", "http://x';touch$IFS'y/livez"]


@pytest.fixture
def tab() -> Iterator[Page]:
    program = find_chromium() or pytest.skip("no Chromium is on PATH")
    with open_page(program) as tab:
        yield tab


def _send(tab: Page, operation: str, **values: str) -> str:
    """Fill a form in and send it, as a reader does; the answer that is shown then."""
    for name, value in values.items():
        tab.evaluate(f"document.querySelector('#{operation} form.try [name={name}]').value = {json.dumps(value)}")
    tab.evaluate(f"document.querySelector('#{operation} form.try button').click()")
    return _shown(tab, operation, "/^[0-9]{3}/")


def _shown(tab: Page, operation: str, pattern: str) -> str:
    """What is shown of the answer once the pattern is in it."""
    text = f"document.querySelector('#{operation} output').textContent"
    tab.wait_for(f"{pattern}.test({text})", 30)
    return tab.evaluate(text)


def test_forms_send_what_they_say_and_show_the_answer(api: Api, ready: str, folder: Path, tab: Page):
    tab.open(f"{api.url}/docs")
    tab.choose_file("#uploadVideo form.try input[type=file]", folder / "clip.mp4")
    assert _send(tab, "uploadVideo", title="Dawn").startswith("201 Created")
    record = next(each for each in api.records() if each.video_id != ready)
    assert (record.title, record.file_name, api.original(record.video_id)) == ("Dawn", "clip.mp4", b"a clip")
    # The id of the video that was made stands in every other form.
    assert '"title": "Dawn"' in _send(tab, "getVideo")
    assert '"title": "clip.mp4"' in _send(tab, "editVideo", body='{"title": null}')
    assert _send(tab, "listVideos", limit="1", status="queued").count('"videoId"') == 1
    assert _send(tab, "listVideos", limit="1", status="failed").count('"videoId"') == 0
    assert _send(tab, "getVideo", video_id="abc").startswith("400 Bad Request")
    assert "#EXTM3U" in _send(tab, "playVideo", video_id=ready, file_path="hls/master.m3u8")
    _send(tab, "watchVideo", video_id=ready)
    assert '"status":"ready"' in _shown(tab, "watchVideo", "/data:/")
    assert _send(tab, "deleteVideo").startswith("204 No Content")
    assert [each for each in tab.faults if "400" not in each] == []


def test_a_form_sends_the_token_and_the_choice_of_a_language_holds(shared_api: Api, tab: Page):
    with Issuer() as issuer, serving(shared_api.foundation, **issuer.settings()) as api:
        tab.open(f"{api.url}/docs")
        assert _send(tab, "listVideos").startswith("401 Unauthorized")
        tab.evaluate(f"document.querySelector('form.token input').value = {json.dumps(issuer.token())}")
        tab.evaluate("document.querySelector('#listVideos output').textContent = ''")
        assert _send(tab, "listVideos").startswith("200 OK")
        tab.evaluate("document.querySelector('#getVideo .code > [value=Python]').click()")
        shown = "getComputedStyle(document.querySelector('#deleteVideo pre[data-language=Python]')).display"
        assert tab.evaluate(shown) == "block"


def test_the_page_may_ask_no_other_host(api: Api, tab: Page):
    tab.open(f"{api.url}/docs")
    asked: Any = tab.evaluate("fetch('http://localhost:9/').catch((error) => error.name)")
    assert asked == "TypeError"
    assert any("Connecting" in each and "Content Security Policy" in each for each in tab.faults)
    tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )
    assert tab.evaluate("window.ran ?? false") is False
