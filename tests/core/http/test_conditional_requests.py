"""Preconditions of reads (RFC 9110, section 13)."""

import pytest

from tests.support.clients import Client, problem
from tests.support.factories import note


@pytest.fixture
def location(ada: Client) -> str:
    """The path of a note."""
    return f"/notes/{ada.post('/notes', json=note()).json['id']}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_star_in_if_match_matches_an_object_that_exists(ada: Client, location: str, method: str) -> None:
    response = ada.open(method, location, headers={"If-Match": "*"})
    assert response.status_code == 200
    assert response.headers["ETag"]


def test_a_star_in_if_match_does_not_match_an_object_that_does_not_exist(ada: Client) -> None:
    assert problem(ada.get("/notes/1", headers={"If-Match": "*"}))[0] == 404


def test_a_star_in_if_match_allows_changes(ada: Client, location: str) -> None:
    assert ada.patch(location, json={"title": "Persuasion"}, headers={"If-Match": "*"}).status_code == 200
    assert ada.delete(location, headers={"If-Match": "*"}).status_code == 204


def test_if_none_match_still_counts_after_a_star_in_if_match(ada: Client, location: str) -> None:
    etag = ada.get(location).headers["ETag"]
    assert ada.get(location, headers={"If-Match": "*", "If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("header", ["*", '"1", "{}"', 'W/"1"'])
def test_if_none_match_answers_304_without_a_body(ada: Client, location: str, header: str) -> None:
    etag = ada.get(location).headers["ETag"].strip('"')
    response = ada.get(location, headers={"If-None-Match": header.replace("{}", etag)})
    assert (response.status_code, response.data) == (304, b"")


@pytest.mark.parametrize("header", ['"99"', 'W/"1"', 'W/"99", "98"'])
def test_another_entity_tag_in_if_match_answers_412(ada: Client, location: str, header: str) -> None:
    assert problem(ada.get(location, headers={"If-Match": header}))[0] == 412


def test_reading_with_an_if_match_without_an_entity_tag_answers_400(ada: Client, location: str) -> None:
    assert problem(ada.get(location, headers={"If-Match": ","}))[0] == 400
