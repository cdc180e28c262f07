"""What resources return must fit the schema: marshmallow would serialise other objects as empty ones."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from marshmallow import fields

from app.core.http import Resource, marshal_with
from app.core.http.fields import Schema
from app.core.security import ANYONE
from tests.support.clients import Client, problem
from tests.support.sites import site

ENGLAND = {"country": "England"}


class PlaceSchema(Schema):
    """A place. No field is required."""

    country = fields.String()


class Place(Resource):
    """Returns what a test assigns, with a schema without required fields."""

    guard = ANYONE
    result: Any = None

    @marshal_with(PlaceSchema, code=200)
    def get(self) -> Any:
        """Return a place."""
        return self.result

    @marshal_with(PlaceSchema(many=True), code=200)
    def put(self) -> Any:
        """Return places."""
        return self.result


@pytest.fixture
def visitor(app: Flask) -> Iterator[Client]:
    with site(app, Place) as created:
        yield Client(created)


@pytest.mark.parametrize(
    "result",
    [[ENGLAND], (place for place in [ENGLAND]), ([ENGLAND], {"X-Count": "1"})],
    ids=["a list", "a generator", "with headers"],
)
def test_a_schema_with_many_serialises_any_kind_of_list(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, result: Any
) -> None:
    monkeypatch.setattr(Place, "result", result)
    assert visitor.open("PUT", "/Place").json == [ENGLAND]


@pytest.mark.parametrize(
    ("method", "result", "reason"),
    [
        ("get", None, "returned None"),
        ("get", [ENGLAND], "needs many=True"),
        ("get", {1, 2}, "needs many=True"),
        ("get", (place for place in [ENGLAND]), "needs many=True"),
        ("get", (None, {}), "returned None"),
        ("get", (ENGLAND, 201), "not (body, headers)"),
        ("get", (ENGLAND, 201, {}), "not (body, headers)"),
        ("get", (), "not (body, headers)"),
        ("put", None, "returned None"),
        ("put", ENGLAND, "returned one object"),
    ],
    ids=["None", "a list", "a set", "a generator", "None with headers", "a status", "three", "empty", "None", "one"],
)
def test_a_result_that_the_schema_does_not_fit_is_an_error_that_names_the_method_in_the_log(
    visitor: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    result: Any,
    reason: str,
) -> None:
    monkeypatch.setattr(Place, "result", result)
    response = visitor.open(method.upper(), "/Place")
    assert (problem(response)[0], reason in response.text) == (500, False)
    assert f"TypeError: Place.{method} returned" in caplog.text
    assert reason in caplog.text
