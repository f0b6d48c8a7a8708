"""docs/openapi.json: it is what the API serves, and nothing a client leans on leaves it unnoticed."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vodstack_app.docs.compatibility import breaking_changes
from vodstack_app.docs.description import describe

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
Document = dict[str, Any]


def _video(document: Document) -> Document:
    return document["components"]["schemas"]["VideoView"]


def _limit(document: Document) -> Document:
    return next(each for each in document["paths"]["/videos"]["get"]["parameters"] if each["name"] == "limit")


def _form(document: Document) -> Document:
    return document["paths"]["/videos"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]


def _write(file: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vodstack_app.docs", *options, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def described() -> Document:
    return json.loads(COMMITTED.read_text())


def test_the_committed_description_is_that_of_the_api():
    again = "run: python -m vodstack_app.docs docs/openapi.json"
    assert json.loads(COMMITTED.read_text()) == json.loads(json.dumps(describe())), again


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["paths"].pop("/videos/{video_id}"), "GET /videos/{video_id} is gone"),
        (lambda d: d["paths"]["/videos/{video_id}"].pop("delete"), "DELETE /videos/{video_id} is gone"),
        (lambda d: d["paths"]["/videos"]["post"]["responses"].pop("201"), "POST /videos no longer answers 201"),
        (lambda d: _video(d)["properties"].pop("title"), "GET /videos/{video_id} 200.title is gone"),
        (lambda d: _video(d)["required"].remove("title"), "GET /videos/{video_id} 200.title may be missing now"),
        (
            lambda d: _video(d)["properties"]["title"].update(type=["string", "null"]),
            "GET /videos/{video_id} 200.title may be null now",
        ),
        (
            lambda d: _video(d)["properties"]["tags"]["items"].update(type="integer"),
            "GET /videos/{video_id} 200.tags[] may be integer now",
        ),
        (lambda d: _limit(d)["schema"].update(maximum=50), "GET /videos: parameter query limit: maximum is 50 now"),
        (lambda d: _limit(d).update(required=True), "GET /videos: parameter query limit is required now"),
        (lambda d: _limit(d).update(name="size"), "GET /videos: parameter query limit is gone"),
        (lambda d: _form(d)["required"].append("title"), "POST /videos body.title is required now"),
        (
            lambda d: _form(d)["properties"]["title"].update(maxLength=10),
            "POST /videos body.title: maxLength is 10 now",
        ),
        (
            lambda d: _form(d)["properties"]["title"].update(type="integer"),
            "POST /videos body.title no longer takes string",
        ),
    ],
)
def test_a_change_that_breaks_clients_is_named(described: Document, change: Callable[[Document], Any], sentence: str):
    changed = copy.deepcopy(described)
    change(changed)
    assert sentence in breaking_changes(described, changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/new": d["paths"]["/livez"]}),
        lambda d: _video(d)["properties"].update(new={"type": "string"}),
        lambda d: _limit(d)["schema"].update(maximum=500),
        lambda d: _form(d)["properties"].update(new={"type": "string"}),
        lambda d: _form(d)["properties"]["title"].pop("maxLength"),
        lambda d: d["info"].update(version="9"),
    ],
)
def test_an_addition_breaks_nobody(described: Document, change: Callable[[Document], Any]):
    changed = copy.deepcopy(described)
    change(changed)
    assert breaking_changes(described, changed) == []


def test_a_description_that_breaks_clients_is_written_only_when_that_is_said(described: Document, tmp_path: Path):
    file = tmp_path / "openapi.json"
    _video(described)["properties"]["gone"] = {"type": "string"}
    file.write_text(json.dumps(described))
    refused = _write(file)
    assert (refused.returncode, "200.gone is gone" in refused.stderr) == (1, True)
    assert json.loads(file.read_text()) == described
    assert _write(file, "--breaking").returncode == 0
    assert "gone" not in _video(json.loads(file.read_text()))["properties"]
