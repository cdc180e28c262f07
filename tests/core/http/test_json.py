"""JSON that is broken, ambiguous or of the wrong shape: a 4xx problem, and nothing is stored."""

import json
from typing import Any

import pytest

from tests.conftest import every_database
from tests.support.clients import Client, book, problem
from tests.support.shelves import has_nothing

MALFORMED = {
    "nothing": b"",
    "half": b'{"title": "Em',
    "trailing": b"{} {}",
    "single quotes": b"{'title': 'Emma'}",
    "invalid UTF-8": b'{"title": "\xff"}',
    "UTF-16": json.dumps(book()).encode("utf-16"),
    "a lone surrogate": rb'{"title": "\ud800"}',
    "a lone surrogate in a key": rb'{"\udfff": 1}',
    "a raw NUL": b'{"title": "\0"}',
    "NaN": b'{"year": NaN}',
    "Infinity": b'{"year": -Infinity}',
    "an infinite number": b'{"year": 1e999}',
    "5,000 digits": b'{"year": ' + b"9" * 5_000 + b"}",
    "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a key twice": b'{"title": "Emma", "title": "Persuasion"}',
    "a nested key twice": b'{"title": {"a": 1, "a": 2}}',
}

WRONG: dict[str, tuple[str, Any]] = {
    "a fraction": ("year", 1.5),
    "a fraction of nothing": ("year", 1815.0),
    "true": ("year", True),
    "digits": ("year", "1815"),
    "Unicode digits": ("year", "١٨١٥"),
    "a list": ("year", [1815]),
    "beyond 2^63": ("year", 2**63),
    "300 digits": ("year", 10**299),
    "a year to come": ("year", 2101),
    "a number": ("title", 5),
    "no text": ("title", None),
    "an object": ("title", {"en": "Emma"}),
    "empty": ("title", ""),
    "white space": ("title", " \t\u2003"),
    "NUL": ("title", "Em\0ma"),
    "501 characters": ("title", "x" * 501),
    "an author of 1,001": ("author", "x" * 1_001),
    "a wrong checksum": ("isbn", "9780141439588"),
    "an ISBN as a number": ("isbn", 9780141439587),
    "an ISBN in Unicode digits": ("isbn", "٩٧٨٠١٤١٤٣٩٥٨٧"),
    "an ISBN with 40 hyphens": ("isbn", "978" + "-" * 40 + "0141439587"),
    "a language with a newline": ("language", "en\ng"),
    "a language in Japanese": ("language", "日本"),
    "an unknown field": ("pages", 5),
    "the owner": ("owner_id", 1),
    "the id": ("id", 7),
    "a key of NUL": ("\0", 1),
    "an empty key": ("", 1),
}


@every_database
def test_json_that_parsers_disagree_on_gets_400(ada: Client) -> None:
    for name, body in MALFORMED.items():
        response = ada.post("/books", data=body, content_type="application/json")
        assert problem(response)[0] == 400, name
    assert has_nothing(ada)


@every_database
@pytest.mark.parametrize(("field", "value"), WRONG.values(), ids=WRONG)
def test_an_invalid_value_is_named_by_its_field(ada: Client, field: str, value: Any) -> None:
    response = ada.post("/books", json=book(**{field: value}))
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == [field]
    assert has_nothing(ada)


@every_database
def test_an_invalid_update_changes_nothing(ada: Client) -> None:
    created = ada.post("/books", json=book()).json
    for field, value in WRONG.values():
        response = ada.patch(f"/books/{created['id']}", json={"title": "Persuasion"} | {field: value})
        assert problem(response)[0] == 422, (field, value)
    assert ada.get(f"/books/{created['id']}").json == created


@pytest.mark.parametrize("body", ["null", "[]", '[{"title": "Emma"}]', '"Emma"', "5", "true"])
def test_a_body_must_be_an_object(ada: Client, body: str) -> None:
    response = ada.post("/books", data=body, content_type="application/json")
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == ["body"]


@every_database
def test_every_json_operation_is_strict(ada: Client) -> None:
    document = ada.get("~/openapi.json").json
    taken = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            types = operation.get("requestBody", {}).get("content", {})
            if "application/json" not in types:
                continue
            taken += 1
            for body, content_type, status in [
                (b"{", "application/json", 400),
                (b"[]", "application/json", 422),
                (b'{"no such field": 1}', "application/json", 422),
                (b"{}", "application/yaml", 415),
                (b"{}", None, 415),
            ]:
                where = path.replace("{", "").replace("}", "").replace("book_id", "1").replace("user_id", "1")
                response = ada.open(method.upper(), f"~{where}", data=body, content_type=content_type)
                assert problem(response)[0] == status, (method, path, body, content_type)
    assert taken >= 6


@every_database
def test_the_length_of_an_email_is_checked_in_lower_case(anonymous: Client) -> None:
    email = f'"{"İ" * 200}"@example.org'  # a capital that is two characters when small
    response = anonymous.post("/auth/signup", json={"email": email, "password": "x" * 8, "name": "Ada"})
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == ["email"]


@every_database
def test_the_longest_valid_values_are_stored(ada: Client) -> None:
    longest = book(title="😀" * 500, author="😀" * 1_000, language="abcdefgh-" * 3 + "abcdefgh")
    created = ada.post("/books", json=longest)
    assert created.status_code == 201, created.text
    assert ada.get(f"/books/{created.json['id']}").json["author"] == longest["author"]
