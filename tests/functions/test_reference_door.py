"""The API's description as the door serves it: to everybody, without a database, once for as long as it is good."""

import json
import re
from urllib.parse import urljoin, urlsplit

import pytest

from cdk.routes import ROUTES
from dyno import reference
from functions.metrics import handler as door
from tests.functions.conftest import Call, Caller
from tests.openapi.document import PAGE

SERVED = ["/openapi.json", "/docs"]


def test_the_document_is_the_one_committed(call: Call) -> None:
    served = call(door, "GET", "/openapi.json", caller=Caller.NOBODY)

    assert (served.status, served.headers["Content-Type"]) == (200, "application/json")
    assert served.body == json.loads(PAGE.read_text())


@pytest.mark.parametrize(
    "found_at", ["http://localhost:8000/", "https://a1b2c3.execute-api.us-east-1.amazonaws.com/prod/"]
)
def test_its_server_is_where_it_was_found(call: Call, found_at: str) -> None:
    served = call(door, "GET", "/openapi.json", caller=Caller.NOBODY)

    [server] = served.body["servers"]
    assert urljoin(f"{found_at}openapi.json", server["url"]) == found_at


@pytest.mark.parametrize(
    "found_at", ["http://localhost:8000/", "https://a1b2c3.execute-api.us-east-1.amazonaws.com/prod/"]
)
def test_the_page_links_to_itself_and_to_the_document_alone(call: Call, found_at: str) -> None:
    page = call(door, "GET", "/docs", caller=Caller.NOBODY).body

    led_to = {urljoin(f"{found_at}docs", link) for link in re.findall(r'href="([^"]*)"', page) if link != "data:,"}
    names = set(re.findall(r'id="([^"]*)"', page))

    assert {urlsplit(link)._replace(fragment="").geturl() for link in led_to} == {
        f"{found_at}docs",
        f"{found_at}openapi.json",
    }
    assert {urlsplit(link).fragment for link in led_to} - {""} - names == set()


def test_the_page_shows_every_route(call: Call) -> None:
    page = call(door, "GET", "/docs", caller=Caller.NOBODY).body

    for route in ROUTES:
        assert f'id="{reference.slug(route.method.lower(), route.path)}"' in page


@pytest.mark.parametrize("path", SERVED)
def test_it_asks_no_database(call: Call, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a description must not wake the database")

    monkeypatch.setattr("dyno.driver.Connection", asked)

    assert call(door, "GET", path, caller=Caller.NOBODY).status == 200


@pytest.mark.parametrize("path", SERVED)
def test_a_copy_that_is_still_good_is_not_sent_again(call: Call, path: str) -> None:
    first = call(door, "GET", path, caller=Caller.NOBODY)

    again = call(
        door, "GET", path, caller=Caller.NOBODY, headers={"If-None-Match": f'"old", W/{first.headers["ETag"]}'}
    )
    other = call(door, "GET", path, caller=Caller.NOBODY, headers={"If-None-Match": '"old"'})

    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert (again.status, again.body) == (304, "")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert other.status == 200


def test_the_etag_is_of_the_text() -> None:
    document, page = reference.document(), reference.page()

    assert document.etag != page.etag
    assert document.is_known("*")
    assert not document.is_known(None)
    assert not document.is_known(page.etag)


@pytest.mark.parametrize("path", SERVED)
def test_it_fits_into_an_answer_of_lambda(call: Call, path: str) -> None:
    served = call(door, "GET", path, caller=Caller.NOBODY)

    assert len(json.dumps(served.body)) < 1_000_000


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/components/schemas/Dyno"}, "Dyno"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Dyno"}}, "list of Dyno"),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "date or null"),
        ({"allOf": [{"$ref": "#/components/schemas/Problem"}, {}]}, "Problem"),
        ({"type": "integer", "minimum": 1, "maximum": 500}, "integer, 1 or more, 500 at most"),
        ({"enum": ["week", "month"]}, "one of week, month"),
        ({"const": True}, "true"),
        ({}, "anything"),
    ],
)
def test_a_schema_is_said_in_a_few_words(schema: dict[str, object], said: str) -> None:
    assert reference.kind(schema) == said
