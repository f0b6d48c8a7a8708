"""/docs says what /openapi.json says, in a form for people."""

import re
from html import unescape

import pytest
from tests.app.conftest import Api


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
    prose = re.sub(r"<pre>.*?</pre>", "", unescape("".join(sections.values())), flags=re.DOTALL)
    assert "`" not in prose
    assert "shorter than <code>limit</code>" in prose
    assert "?." not in prose
