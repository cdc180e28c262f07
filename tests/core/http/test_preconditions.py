"""`ETag`, `If-Match` and `If-None-Match`."""

import pytest
from flask import Flask

from tests.conftest import every_database
from tests.support.clients import Client, at_once, problem
from tests.support.factories import note


def add(client: Client) -> str:
    """Create a note, and return its path."""
    return f"/notes/{client.post('/notes', json=note()).json['id']}"


@pytest.mark.parametrize("header", [",", '"', " "])
def test_an_if_match_without_an_entity_tag_gets_400(ada: Client, header: str) -> None:
    path = add(ada)
    response = ada.patch(path, json={"title": "Bread"}, headers={"If-Match": header})
    assert response.status_code == 400
    assert ada.get(path).json["title"] == "Milk"


def test_a_read_with_a_stale_if_match_gets_412(ada: Client) -> None:
    path = add(ada)
    response = ada.get(path, headers={"If-Match": '"99"'})
    assert (response.status_code, response.content_type) == (412, "application/problem+json")


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_another_users_note_gets_404_whatever_the_entity_tag(ada: Client, bob: Client, header: str) -> None:
    path = add(ada)
    for tag in (ada.get(path).headers["ETag"], '"other"', "*"):
        assert problem(bob.get(path, headers={header: tag}))[0] == 404
        assert problem(bob.delete(path, headers={header: tag}))[0] == 404


@every_database
def test_an_unchanged_note_gets_304(ada: Client) -> None:
    path = add(ada)
    etag = ada.get(path).headers["ETag"]
    for tags in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = ada.get(path, headers={"If-None-Match": tags})
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == etag


@every_database
def test_a_changed_note_is_sent_in_full(ada: Client) -> None:
    path = add(ada)
    etag = ada.get(path).headers["ETag"]
    changed = ada.patch(path, json={"title": "Bread"})
    assert changed.headers["ETag"] != etag
    response = ada.get(path, headers={"If-None-Match": etag})
    assert (response.status_code, response.json) == (200, changed.json)
    assert response.headers["ETag"] == changed.headers["ETag"]


@every_database
def test_an_update_with_a_stale_if_match_gets_412(ada: Client) -> None:
    path = add(ada)
    seen = ada.get(path).headers["ETag"]
    assert ada.patch(path, json={"title": "First"}, headers={"If-Match": seen}).status_code == 200
    assert problem(ada.patch(path, json={"title": "Second"}, headers={"If-Match": seen}))[0] == 412
    assert ada.get(path).json["title"] == "First"


@every_database
def test_one_of_several_concurrent_updates_with_one_if_match_succeeds(app: Flask, ada: Client) -> None:
    path = add(ada)
    headers = {"If-Match": ada.get(path).headers["ETag"]}
    responses = at_once(
        lambda: Client(app, ada.token).patch(path, json={"title": "x", "number": None}, headers=headers), times=3
    )
    assert sorted(response.status_code for response in responses) == [200, 412, 412]


@every_database
def test_a_deletion_with_a_stale_if_match_gets_412(ada: Client) -> None:
    path = add(ada)
    seen = ada.get(path).headers["ETag"]
    now = ada.patch(path, json={"title": "Bread"}).headers["ETag"]
    assert problem(ada.delete(path, headers={"If-Match": seen}))[0] == 412
    assert ada.delete(path, headers={"If-Match": f"{seen}, {now}"}).status_code == 204


def test_if_match_star_matches_any_state(ada: Client) -> None:
    path = add(ada)
    assert ada.patch(path, json={"title": "Bread"}, headers={"If-Match": "*"}).status_code == 200
    assert ada.delete(path, headers={"If-Match": "*"}).status_code == 204
    assert ada.delete(path, headers={"If-Match": "*"}).status_code == 404


def test_a_weak_entity_tag_never_matches_if_match(ada: Client) -> None:
    path = add(ada)
    weak = {"If-Match": f"W/{ada.get(path).headers['ETag']}"}
    assert problem(ada.patch(path, json={"title": "Bread"}, headers=weak))[0] == 412
