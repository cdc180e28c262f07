"""What resources return: dicts, objects, rows and nested values are serialised, and nothing vanishes silently."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from flask import Flask
from marshmallow import fields
from sqlalchemy import select

from app.core.database import db
from app.core.http import Resource, marshal_with
from app.core.http.fields import Schema
from app.core.security import ANYONE
from app.users.models import User
from tests.support.clients import Client, problem
from tests.support.sites import site


class PlaceSchema(Schema):
    """A place, as a JSON column may hold it."""

    city = fields.String(required=True)
    country = fields.String()


class ThingSchema(Schema):
    """A thing with a nested place."""

    title = fields.String(required=True)
    city = fields.String(attribute="place.city")
    place = fields.Nested(PlaceSchema)
    year = fields.Integer(required=True, allow_none=True, data_key="published")


class NameSchema(Schema):
    """A row of users."""

    email = fields.String(required=True)
    shown_name = fields.String(required=True, attribute="name")


class PartsSchema(Schema):
    """Parts of nested things, from instances of a schema."""

    selected = fields.Nested(ThingSchema(), only=("title",))
    others = fields.Nested(ThingSchema(), exclude=("title", "year"))
    plucked = fields.Pluck(ThingSchema(), "title")
    all_plucked = fields.Pluck(ThingSchema(), "title", many=True)


@dataclass
class Thing:
    """A thing as an object."""

    title: str
    place: dict[str, str]
    year: int | None = None


class NamedThing(NamedTuple):
    """A thing as a named tuple."""

    title: str
    place: dict[str, str]
    year: int | None = None


PLACE = {"city": "Bath"}
THINGS: dict[str, Any] = {
    "a dict": {"title": "Emma", "place": PLACE, "year": None},
    "an object": SimpleNamespace(title="Emma", place=SimpleNamespace(**PLACE), year=None),
    "a dataclass with a dict inside": Thing("Emma", PLACE),
    "a named tuple": NamedThing("Emma", PLACE),
}


class OneThing(Resource):
    """Returns what a test assigns."""

    guard = ANYONE
    result: Any = None

    @marshal_with(ThingSchema, code=200)
    def get(self) -> Any:
        """Return a thing."""
        return self.result


class Rows(Resource):
    """Returns a row of a query, instead of an entity."""

    guard = ANYONE

    @marshal_with(NameSchema, code=200)
    def get(self) -> Any:
        """Return a row."""
        return db.session.execute(select(User.email, User.name)).first()


class ManyThings(Resource):
    """Returns a list."""

    guard = ANYONE

    @marshal_with(PlaceSchema(many=True), code=200)
    def get(self) -> Any:
        """Return places."""
        return [PLACE, {"city": "Ely", "country": "England"}]


class Parts(Resource):
    """Returns parts of a thing that lacks the other required fields."""

    guard = ANYONE

    @marshal_with(PartsSchema, code=200)
    def get(self) -> Any:
        """Return parts."""
        title = {"title": "Emma"}
        return {"selected": title, "others": {"place": PLACE}, "plucked": title, "all_plucked": [title, title]}


@pytest.fixture
def visitor(app: Flask) -> Iterator[Client]:
    with site(app, OneThing, Rows, ManyThings, Parts) as created:
        yield Client(created)


@pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS)
def test_any_kind_of_object_is_serialised(visitor: Client, monkeypatch: pytest.MonkeyPatch, thing: Any) -> None:
    monkeypatch.setattr(OneThing, "result", thing)
    response = visitor.get("/OneThing")
    assert response.status_code == 200
    assert response.json == {"title": "Emma", "city": "Bath", "place": PLACE, "published": None}


def test_a_row_of_a_query_is_serialised(visitor: Client, ada: Client) -> None:
    assert visitor.get("/Rows").json == {"email": "ada@example.org", "shown_name": "ada@example.org"}


def test_a_list_is_serialised_by_a_schema_with_many(visitor: Client) -> None:
    assert visitor.get("/ManyThings").json == [{"city": "Bath"}, {"city": "Ely", "country": "England"}]


def test_a_part_of_a_nested_schema_requires_only_its_own_fields(visitor: Client) -> None:
    assert visitor.get("/Parts").json == {
        "selected": {"title": "Emma"},
        "others": {"city": "Bath", "place": PLACE},
        "plucked": "Emma",
        "all_plucked": ["Emma", "Emma"],
    }


@pytest.mark.parametrize(
    ("thing", "lacking"),
    [
        ({"year": 1815}, "title"),
        ({"title": "Emma"}, "published"),
        ({"title": "Emma", "year": None, "place": {"country": "England"}}, "city"),
        (SimpleNamespace(year=None), "title"),
        ({}, "published, title"),
    ],
    ids=["a dict", "a data key", "a nested dict", "an object", "an empty dict"],
)
def test_a_missing_required_field_is_an_error_that_names_it_in_the_log(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, thing: Any, lacking: str
) -> None:
    monkeypatch.setattr(OneThing, "result", thing)
    response = visitor.get("/OneThing")
    assert problem(response)[0] == 500
    assert "lacks" not in response.text
    assert f"requires: {lacking}" in caplog.text
