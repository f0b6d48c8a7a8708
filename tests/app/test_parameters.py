"""A query parameter that does nothing is not passed over."""

import uuid

import pytest
from tests.app.conftest import Api, serving
from tests.app.issuer import Issuer
from tests.app.test_browsers import PAGE

from vodstack_app.docs.description import describe

PATHS = describe()["paths"]
OPERATIONS = [(method.upper(), path) for path, item in PATHS.items() for method in item]
PAGES = [("GET", "/docs"), ("GET", "/openapi.json"), ("HEAD", "/videos")]


@pytest.mark.parametrize(("method", "path"), [*OPERATIONS, *PAGES])
def test_no_route_takes_a_parameter_that_it_does_not_know(api: Api, method: str, path: str):
    place = path.format(video_id=uuid.uuid4(), file_path="hls/master.m3u8")
    answer = api.client.request(method, f"{place}?nonsense=1")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    if method != "HEAD":
        said = answer.json()
        assert (said["type"], [fault["field"] for fault in said["errors"]]) == (
            "urn:vodstack:problem:bad-request",
            ["nonsense"],
        )
        takes = PATHS.get(path, {}).get(method.lower(), {}).get("parameters", [])
        known = [each["name"] for each in takes if each["in"] == "query"]
        expected = f"There are {', '.join(known)}." if known else "this takes none"
        assert expected in said["detail"]


@pytest.mark.parametrize(
    ("query", "guess"),
    [
        ("limt=5", "limit"),
        ("Limit=5", "limit"),
        ("nextCursor=x", "cursor"),
        ("state=ready", "status"),
        ("tags=a", "tag"),
    ],
)
def test_the_nearest_parameter_is_named(api: Api, query: str, guess: str):
    said = api.client.get(f"/videos?{query}").json()
    assert f"Did you mean `{guess}`? There are limit, cursor, status, tag." in said["errors"][0]["detail"]


def test_every_unknown_parameter_is_named_in_one_answer(api: Api):
    said = api.client.get("/videos?limt=5&limit=5&&page&x=%ff").json()
    assert [fault["field"] for fault in said["errors"]] == ["limt", "page", "x"]


def test_a_parameter_that_is_there_twice_is_refused(api: Api):
    said = api.client.get("/videos?tag=harbour&tag=dawn").json()
    assert said["errors"] == [{"field": "tag", "detail": "It is there 2 times; send it once."}]


def test_a_field_in_the_query_is_sent_to_the_body(api: Api):
    answer = api.client.post("/videos?title=Hello", files={"file": ("x.mp4", b"x")})
    assert (answer.status_code, "Fields go into the body" in answer.json()["detail"]) == (400, True)
    api.assert_nothing_left()


@pytest.mark.parametrize("query", ["limit=5&tag=a", "", "&"])
def test_known_parameters_and_none_are_taken(api: Api, query: str):
    assert api.client.get(f"/videos?{query}").status_code == 200


def test_what_players_say_of_themselves_is_taken(api: Api):
    answer = api.client.get(f"/videos/{uuid.uuid4()}/playback/hls/master.m3u8?CMCD=bl%3D21300")
    assert answer.status_code == 404


def test_a_preflight_has_the_query_of_what_it_asks_about(shared_api: Api):
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    with serving(shared_api.foundation, VODSTACK_CORS_ORIGINS=PAGE) as api:
        assert api.client.options("/videos?limit=5", headers=asked).status_code == 204
        assert api.client.options("/videos?limit=5").status_code == 204


def test_without_a_token_nothing_is_told_of_parameters(shared_api: Api):
    with Issuer() as issuer, serving(shared_api.foundation, **issuer.settings()) as api:
        assert api.client.get("/videos?limt=5").status_code == 401
