"""Paths with encoded slashes (RFC 3986, section 2.2)."""

import pytest

from tests.support.clients import Client, problem
from tests.support.factories import note


@pytest.mark.parametrize("slash", ["%2f", "%2F"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/notes{slash}{id}"),
        ("DELETE", "/api/v1/notes{slash}{id}"),
        ("GET", "/api/v1{slash}notes"),
        ("GET", "{slash}api/v1/notes"),
        ("GET", "/api/v1/notes/{id}{slash}"),
        ("GET", "/docs{slash}"),
        ("GET", "/docs/{slash}"),
    ],
)
def test_an_encoded_slash_does_not_separate_segments(ada: Client, method: str, path: str, slash: str) -> None:
    note_id = ada.post("/notes", json=note()).json["id"]
    assert problem(ada.open(method, "~" + path.format(slash=slash, id=note_id)))[0] == 404
    assert ada.get(f"/notes/{note_id}").status_code == 200


def test_an_encoded_slash_in_the_query_is_a_slash(ada: Client) -> None:
    ada.post("/notes", json=note(title="AC/DC"))
    assert [item["title"] for item in ada.get("/notes?q=C%2fD").json["items"]] == ["AC/DC"]
