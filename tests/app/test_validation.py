"""What is wrong with a request is told in the API's own words: which field, and what to send instead."""

from typing import Any

import pytest
from tests.app.conftest import Api

FILE: dict[str, Any] = {"fileName": "clip.mp4", "sizeBytes": 3, "contentType": "video/mp4"}
STATES = "uploading, queued, processing, ready, failed"


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ({"fileName": "x", "contentType": "video/mp4"}, "sizeBytes", "This field must be there."),
        (FILE | {"sizeByte - x": 5}, "sizeByte - x", "There is no such field; there are fileName, sizeBytes,"),
        (FILE | {"sizeBytes": "many"}, "sizeBytes", "Send a whole number."),
        (FILE | {"sizeBytes": 0}, "sizeBytes", "Send a whole number of at least 1."),
        (FILE | {"fileName": ""}, "fileName", "It may not be empty."),
        (FILE | {"title": "x" * 501}, "title", "At most 500 characters are allowed."),
        (FILE | {"title": None}, "title", "Send a string."),
        (FILE | {"tags": "sea"}, "tags", "Send a list."),
        (FILE | {"tags": ["sea", 1]}, "tags[1]", "Send a string."),
        (FILE | {"tags": ["a,b"]}, "tags", "A tag has no comma in it."),
        (FILE | {"metadata": {"a": 1}}, "metadata", "Send a string. This holds for every entry."),
        (FILE | {"contentType": "text/html"}, "contentType", "Send a type of video, such as video/mp4,"),
    ],
)
def test_a_bad_field_of_a_body_is_named_with_what_to_send(api: Api, body: dict[str, Any], field: str, detail: str):
    answer = api.client.post("/uploads", json=body)
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["field"]) == (400, field)
    assert fault["detail"].startswith(detail)
    assert fault["detail"] in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"fileName": "\xff"}', b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_json_object_is_told_to_be_one(api: Api, body: bytes):
    answer = api.client.post("/uploads", content=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:vodstack:problem:bad-request")
    assert "Send a JSON object" in answer.json()["detail"]
    assert "errors" not in answer.json()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=x", ["limit: Send a whole number."]),
        ("limit=101", ["limit: Send a whole number of at most 100."]),
        ("tag=", ["tag: It may not be empty."]),
        ("limit=x&status=foo", ["limit: Send a whole number.", f"status: Send one of {STATES}."]),
    ],
)
def test_bad_parameters_are_named_with_what_to_send(api: Api, query: str, said: list[str]):
    answer = api.client.get(f"/videos?{query}")
    assert (answer.status_code, answer.json()["detail"]) == (400, " ".join(said))
    assert [f"{fault['field']}: {fault['detail']}" for fault in answer.json()["errors"]] == said


@pytest.mark.parametrize("path", ["/videos", "/uploads"])
def test_a_key_that_is_none_is_named_as_the_header_it_came_in(api: Api, path: str):
    answer = api.client.post(path, json=FILE, headers={"Idempotency-Key": "two words"})
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["field"]) == (400, "Idempotency-Key")
    assert fault["detail"] == "Send up to 255 printable ASCII characters without spaces."


def test_who_has_lost_the_way_is_told_where_to_look(api: Api):
    assert api.client.get("/nope").json()["detail"] == "There is no such path. See /docs for those that there are."
    assert api.client.delete("/videos").json()["detail"] == "This path takes GET, HEAD, OPTIONS, POST. See /docs."
