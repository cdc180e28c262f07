"""Malformed, ambiguous and invalid JSON: a 4xx problem, and nothing is stored."""

import json
import re
from typing import Any

import pytest

from tests.conftest import every_database
from tests.support.clients import Client, problem
from tests.support.factories import note

MALFORMED = {
    "nothing": b"",
    "half": b'{"title": "Em',
    "trailing": b"{} {}",
    "single quotes": b"{'title': 'Milk'}",
    "invalid UTF-8": b'{"title": "\xff"}',
    "UTF-16": json.dumps(note()).encode("utf-16"),
    "a lone surrogate": rb'{"title": "\ud800"}',
    "a lone surrogate in a key": rb'{"\udfff": 1}',
    "a raw NUL": b'{"title": "\0"}',
    "NaN": b'{"number": NaN}',
    "Infinity": b'{"number": -Infinity}',
    "an infinite number": b'{"number": 1e999}',
    "2^64": b'{"number": 18446744073709551616}',
    "5,000 digits": b'{"number": ' + b"9" * 5_000 + b"}",
    "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a key twice": b'{"title": "Milk", "title": "Bread"}',
    "a nested key twice": b'{"title": {"a": 1, "a": 2}}',
}

INVALID: dict[str, tuple[str, Any]] = {
    "a fraction": ("number", 1.5),
    "a fraction of zero": ("number", 1815.0),
    "true": ("number", True),
    "digits": ("number", "1815"),
    "Unicode digits": ("number", "١٨١٥"),
    "a list": ("number", [1815]),
    "beyond 2^63": ("number", 2**63),
    "above the maximum": ("number", 2101),
    "a number": ("title", 5),
    "null": ("title", None),
    "an object": ("title", {"en": "Milk"}),
    "empty": ("title", ""),
    "white space": ("title", " \t\u2003"),
    "NUL": ("title", "Mi\0lk"),
    "501 characters": ("title", "x" * 501),
    "1,001 characters": ("text", "x" * 1_001),
    "51 characters with white space": ("code", "x" * 51 + " "),
    "a pattern with a newline": ("tag", "ho\nme"),
    "a pattern in Japanese": ("tag", "日本"),
    "an unknown field": ("pages", 5),
    "the owner": ("owner_id", 1),
    "the id": ("id", 7),
    "a key of NUL": ("\0", 1),
    "an empty key": ("", 1),
}


def has_no_notes(client: Client) -> bool:
    return not client.get("/notes").json["items"]


@every_database
def test_json_that_parsers_disagree_on_gets_400(ada: Client) -> None:
    for name, body in MALFORMED.items():
        response = ada.post("/notes", data=body, content_type="application/json")
        assert problem(response)[0] == 400, name
    assert has_no_notes(ada)


@every_database
@pytest.mark.parametrize(("field", "value"), INVALID.values(), ids=INVALID)
def test_an_invalid_value_is_named_by_its_field(ada: Client, field: str, value: Any) -> None:
    response = ada.post("/notes", json=note(**{field: value}))
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == [field]
    assert has_no_notes(ada)


@every_database
def test_an_invalid_update_changes_nothing(ada: Client) -> None:
    created = ada.post("/notes", json=note()).json
    for field, value in INVALID.values():
        response = ada.patch(f"/notes/{created['id']}", json={"title": "Bread"} | {field: value})
        assert problem(response)[0] == 422, (field, value)
    assert ada.get(f"/notes/{created['id']}").json == created


@pytest.mark.parametrize("body", ["null", "[]", '[{"title": "Milk"}]', '"Milk"', "5", "true"])
def test_a_body_must_be_an_object(ada: Client, body: str) -> None:
    response = ada.post("/notes", data=body, content_type="application/json")
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == ["body"]


@every_database
def test_every_json_operation_is_strict(ada: Client) -> None:
    document = ada.get("~/openapi.json").json
    count = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            types = operation.get("requestBody", {}).get("content", {})
            if "application/json" not in types:
                continue
            count += 1
            for body, content_type, status in [
                (b"{", "application/json", 400),
                (b"[]", "application/json", 422),
                (b'{"no such field": 1}', "application/json", 422),
                (b"{}", "application/yaml", 415),
                (b"{}", None, 415),
            ]:
                url = re.sub(r"{\w+}", "1", path)
                response = ada.open(method.upper(), f"~{url}", data=body, content_type=content_type)
                assert problem(response)[0] == status, (method, path, body, content_type)
    assert count >= 6


@every_database
def test_the_length_of_an_email_is_checked_in_lower_case(anonymous: Client) -> None:
    email = f'"{"İ" * 200}"@example.org'  # in lower case, this letter has two characters
    response = anonymous.post("/auth/signup", json={"email": email, "password": "x" * 8, "name": "Ada"})
    assert problem(response)[0] == 422
    assert list(response.json["errors"]) == ["email"]


@every_database
def test_the_longest_valid_values_are_stored(ada: Client) -> None:
    longest = note(title="😀" * 500, text="😀" * 1_000, tag="abcdefgh-" * 3 + "abcdefgh")
    created = ada.post("/notes", json=longest)
    assert created.status_code == 201, created.text
    assert ada.get(f"/notes/{created.json['id']}").json["text"] == longest["text"]
