"""Other decorators of a method: below the annotations they are called, above them they stop the start."""

from functools import wraps
from typing import Any

import pytest
from flask import Flask
from marshmallow import fields

from app.core.errors import Forbidden
from app.core.http import Resource, guarded_by, marshal_with, use_kwargs
from app.core.http.fields import Schema
from app.core.http.operation import InvalidResource, View
from app.core.security import ANYONE, USER
from tests.support.clients import Client, problem
from tests.support.sites import site, user_of


class NoteSchema(Schema):
    """A note."""

    text = fields.String(required=True)


def forbid(view: View) -> View:
    """A permission check that nothing passes."""

    @wraps(view)
    def check(*args: Any, **options: Any) -> Any:
        raise Forbidden("Nothing passes.")

    return check


class DecoratorAbove(Resource):
    """Has a decorator above its annotations."""

    guard = ANYONE

    @forbid
    @use_kwargs(NoteSchema, location="query")
    @marshal_with(NoteSchema, code=200)
    def get(self, text: str) -> Any:
        """Return a note."""
        return {"text": text}


class DecoratorBetween(Resource):
    """Has a decorator between its annotations."""

    guard = ANYONE

    @marshal_with(NoteSchema, code=200)
    @guarded_by(ANYONE)
    @forbid
    @use_kwargs(NoteSchema, location="query")
    def get(self, text: str) -> Any:
        """Return a note."""
        return {"text": text}


class DecoratorBelow(Resource):
    """Has a decorator below its annotations."""

    guard = ANYONE

    @guarded_by(USER)
    @marshal_with(NoteSchema, code=200)
    @forbid
    def get(self) -> Any:
        """Return a note."""
        return {"text": "hello"}


def test_a_decorator_below_the_annotations_is_called(app: Flask, ada: Client) -> None:
    with site(app, DecoratorBelow) as created:
        assert problem(Client(created).get("/DecoratorBelow"))[0] == 401
        assert problem(user_of(created, ada).get("/DecoratorBelow"))[0] == 403


@pytest.mark.parametrize("resource", [DecoratorAbove, DecoratorBetween])
def test_a_decorator_above_an_annotation_stops_the_start(app: Flask, resource: type[Resource]) -> None:
    reason = rf"{resource.__name__}\.get: put decorators below use_kwargs and marshal_with"
    with pytest.raises(InvalidResource, match=reason), site(app, resource):
        pass
