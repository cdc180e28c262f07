"""Odd queries, paths and headers: a 4xx problem, or no effect."""

import random
from typing import Any

import pytest
from flask import Flask
from itsdangerous import URLSafeSerializer

from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import code, note

INVALID = {
    "an empty page": ("limit", "0"),
    "a page too large": ("limit", "101"),
    "a negative page": ("limit", "-1"),
    "a fraction": ("limit", "1.5"),
    "text": ("limit", "ten"),
    "empty": ("limit", ""),
    "Unicode digits": ("limit", "१"),
    "superscript digits": ("limit", "²"),
    "spaces": ("limit", " 5"),
    "underscores": ("limit", "1_0"),
    "5,000 digits": ("limit", "9" * 5_000),
    "beyond 2^63": ("number_min", str(2**63)),
    "below the minimum": ("year_max", "-3001"),
    "an unknown order": ("sort", "code"),
    "two signs": ("sort", "--title"),
    "NUL": ("q", "Em\0ma"),
    "36 characters": ("tag", "x" * 36),
    "an unknown parameter": ("page", "2"),
    "SQL": ("sort", "id; DROP TABLE notes"),
    "no cursor": ("cursor", "x"),
    "an empty cursor": ("cursor", ""),
    "a cursor of dots": ("cursor", "..."),
    "a cursor of NUL": ("cursor", "\0"),
    "a cursor that inflates": ("cursor", ".eJw.x"),
    "a cursor in Cyrillic": ("cursor", "курсор"),
    "a cursor too long": ("cursor", "x" * 3_001),
}

IMPOSSIBLE_IDS = ["0", "-1", "01", "1.0", "1e3", "+1", "%D9%A1", str(2**63), "9" * 3_000, "%00", "%ff", "1%00", "null"]


@every_database
@pytest.mark.parametrize(("name", "value"), INVALID.values(), ids=INVALID)
def test_an_invalid_query_parameter_is_named(ada: Client, name: str, value: str) -> None:
    response = ada.get("/notes", query_string={name: value})
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == [name]


@pytest.mark.parametrize("query", ["limit=5&limit=6", "q=a&q=a", "cursor=&cursor=", "x=1&x=2"])
def test_a_repeated_query_parameter_is_refused(ada: Client, query: str) -> None:
    response = ada.get(f"/notes?{query}")
    assert problem(response)[0] == 422
    assert response.json["errors"] == {query.partition("=")[0]: ["Given more than once."]}


def test_a_repeated_form_field_is_refused(anonymous: Client) -> None:
    form = "grant_type=password&username=a&username=b&password=c"
    response = anonymous.post("/auth/login", data=form, content_type="application/x-www-form-urlencoded")
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == ["username"]


@pytest.mark.parametrize("query", ["q=%ff", "q=%C0%80", "q=%ED%A0%80", "%ff=1"])
def test_a_query_that_is_not_utf_8_gets_400(ada: Client, query: str) -> None:
    assert problem(ada.get(f"/notes?{query}"))[0] == 400


SALT = "cursor /api/v1/notes title "  # of a list by title without filters


def forged_cursors(app: Flask, cursor: str) -> dict[str, str]:
    payload, _, signature = cursor.rpartition(".")
    own, foreign = (URLSafeSerializer(key, salt=SALT) for key in (app.config["SECRET_KEY"], "x" * 64))
    assert own.dumps(own.loads(cursor)) == cursor  # the salt is the current one
    return {
        "another payload": f"x{payload}.{signature}",
        "another signature": f"{payload}.{signature[::-1]}",
        "no signature": payload,
        "an empty signature": f"{payload}.",
        "cut short": cursor[:-1],
        "another key": str(foreign.dumps(own.loads(cursor))),
    }


@every_database
def test_a_forged_or_foreign_cursor_is_refused(app: Flask, ada: Client) -> None:
    for number in range(2):
        ada.post("/notes", json=note(code=code(number)))
    cursor = ada.get("/notes?sort=title&limit=1").json["next_cursor"]
    assert ada.get("/notes", query_string={"sort": "title", "cursor": cursor}).status_code == 200
    for how, forged in forged_cursors(app, cursor).items():
        response = ada.get("/notes", query_string={"sort": "title", "cursor": forged})
        assert problem(response)[0] == 422, how
        assert list(response.json["errors"]) == ["cursor"]


@every_database
def test_a_cursor_can_contain_the_longest_title(ada: Client) -> None:
    letters = random.Random(1)  # a fixed seed; random text cannot be compressed
    titles = sorted("".join(chr(letters.randrange(0x10000, 0x110000)) for _ in range(500)) for _ in range(3))
    for number, title in enumerate(titles):
        assert ada.post("/notes", json=note(title=title, code=code(number))).status_code == 201
    path, seen = "~/api/v1/notes?sort=title&limit=1", []
    while path:
        page = ada.get(path)
        assert page.status_code == 200, page.text
        seen += [item["title"] for item in page.json["items"]]
        path = "~" + page.headers["Link"].partition(">")[0].lstrip("<") if "Link" in page.headers else ""
    assert seen == titles


@pytest.mark.parametrize("row_id", IMPOSSIBLE_IDS, ids=lambda row_id: row_id[:30])
def test_an_impossible_id_gets_404(ada: Client, row_id: str) -> None:
    for method, path in [
        ("GET", "/notes/{}"),
        ("PATCH", "/notes/{}"),
        ("DELETE", "/notes/{}"),
        ("GET", "/jobs/{}"),
        ("POST", "/jobs/{}/cancel"),
    ]:
        assert problem(ada.open(method, path.format(row_id)))[0] == 404


@every_database
def test_the_largest_ids_get_404(ada: Client) -> None:
    for row_id in (2**31, 2**32, 10**18 - 1):
        assert problem(ada.get(f"/notes/{row_id}"))[0] == 404
        assert problem(ada.get(f"/jobs/{row_id}"))[0] == 404


@pytest.mark.parametrize("path", ["/%00", "/%ff", "/" + "x" * 3_000, "/docs/%00", "/docs/..%2f..%2f.env", "/api/v1/"])
def test_an_odd_path_gets_404(ada: Client, path: str) -> None:
    assert problem(ada.get(f"~{path}"))[0] == 404


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND", "X" * 20])
def test_an_odd_method_gets_405(ada: Client, method: str) -> None:
    response = ada.open(method, "/notes")
    assert problem(response)[0] == 405
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize("value", ['"', "*", ",,;=", "W/", "\xff\xfe", '"\xe9"', "9" * 5_000, "bytes=9-1", "%00"])
def test_odd_headers_cause_no_5xx(ada: Client, value: str) -> None:
    path = f"/notes/{ada.post('/notes', json=note()).json['id']}"
    headers: dict[str, Any] = dict.fromkeys(
        ["Accept", "Accept-Language", "Cookie", "Forwarded", "If-Modified-Since", "Origin", "User-Agent"], value
    )
    for name in ("If-None-Match", "If-Match", "If-Unmodified-Since", "Range", "Idempotency-Key", "X-Request-ID"):
        assert ada.get(path, headers=headers | {name: value}).status_code < 500
        assert ada.patch(path, json={"number": 1816}, headers=headers | {name: value}).status_code < 500
