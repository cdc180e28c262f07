"""`If-Match` and `If-None-Match`, where clients get them wrong."""

import pytest

from tests.support.clients import Client, book


@pytest.mark.parametrize("header", [",", '"', " "])
def test_an_if_match_without_an_entity_tag_gets_400(ada: Client, header: str) -> None:
    location = f"/books/{ada.post('/books', json=book()).json['id']}"
    answer = ada.patch(location, json={"title": "Persuasion"}, headers={"If-Match": header})
    assert answer.status_code == 400
    assert ada.get(location).json["title"] == "Emma"


def test_a_read_with_a_stale_if_match_gets_412(ada: Client) -> None:
    location = f"/books/{ada.post('/books', json=book()).json['id']}"
    answer = ada.get(location, headers={"If-Match": '"99"'})
    assert (answer.status_code, answer.content_type) == (412, "application/problem+json")
