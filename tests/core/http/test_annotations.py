"""Annotations of methods: guards of their own, and mistakes that stop the start."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from marshmallow import fields

from app.core.database import db
from app.core.http import Resource, guarded_by, idempotent, marshal_with, use_kwargs
from app.core.http.fields import Schema
from app.core.http.operation import InvalidResource
from app.core.security import ADMIN, ANYONE, REFRESH
from app.users import service as users
from tests.support.clients import Client, problem
from tests.support.factories import PASSWORD, log_in
from tests.support.sites import site, user_of


class NoteSchema(Schema):
    """A note."""

    text = fields.String(required=True)


class Notes(Resource):
    """Everyone reads, users add, admins delete, and a refresh token replaces."""

    guard = ADMIN

    @guarded_by(ANYONE)
    @marshal_with(NoteSchema, code=200)
    def get(self) -> Any:
        """Read the note."""
        return {"text": "hello"}

    @use_kwargs(NoteSchema)
    @marshal_with(NoteSchema, code=200)
    @guarded_by(REFRESH)
    def put(self, text: str) -> Any:
        """Replace the note."""
        return {"text": text}

    @marshal_with(None, code=204)
    def delete(self) -> None:
        """Delete the note."""


@pytest.fixture
def created(app: Flask) -> Iterator[Flask]:
    with site(app, Notes) as created:
        yield created


@pytest.fixture
def admin(app: Flask, created: Flask) -> Client:
    with app.app_context():
        users.create("root@example.org", "Root", PASSWORD, role="admin")
        db.session.commit()
    return user_of(created, log_in(app, "root@example.org"))


def test_a_method_has_its_own_guard_or_else_that_of_its_class(created: Flask, ada: Client, admin: Client) -> None:
    anonymous, user, refresh = Client(created), user_of(created, ada), Client(created, ada.refresh_token)
    note = {"json": {"text": "bye"}}
    responses = {
        method: [client.open(method, "/Notes", **options).status_code for client in (anonymous, user, refresh, admin)]
        for method, options in {"GET": {}, "PUT": note, "DELETE": {}}.items()
    }
    assert responses == {"GET": [200] * 4, "PUT": [401, 401, 200, 401], "DELETE": [401, 403, 401, 204]}


def test_a_problem_of_a_missing_role_says_so(created: Flask, ada: Client) -> None:
    status, body = problem(user_of(created, ada).delete("/Notes"))
    assert (status, "admin" in body["detail"]) == (403, True)


def test_the_document_describes_the_guard_of_each_method(created: Flask) -> None:
    operations = Client(created).get("~/openapi.json").json["paths"]["/api/v1/Notes"]
    described = {
        method: (
            [scheme for choice in operation.get("security", []) for scheme in choice],
            {"401", "403"} & operation["responses"].keys(),
        )
        for method, operation in operations.items()
    }
    assert described == {
        "get": ([], set()),
        "put": (["refresh_token"], {"401"}),
        "delete": (["access_token", "password"], {"401", "403"}),
    }


def test_input_without_a_location_is_json(created: Flask, ada: Client) -> None:
    client = Client(created, ada.refresh_token)
    assert client.open("PUT", "/Notes", json={"text": "bye"}).json == {"text": "bye"}
    assert problem(client.open("PUT", "/Notes", data={"text": "bye"}))[0] == 415


class WithoutResponse(Resource):
    """Declares no response."""

    def get(self) -> None:
        """Return nothing."""


class OnlyProblems(Resource):
    """Declares a failure only."""

    @marshal_with(None, code=404)
    def get(self) -> None:
        """Return nothing."""


class WithoutStatus(Resource):
    """Declares a response without a status."""

    @marshal_with(NoteSchema)
    def get(self) -> None:
        """Return nothing."""


class UnknownLocation(Resource):
    """Reads its input from a place that parsers of requests do not know."""

    @use_kwargs(NoteSchema, location="jsn")
    @marshal_with(None, code=204)
    def get(self) -> None:
        """Return nothing."""


class NoSchema(Resource):
    """Declares something else than a schema."""

    @marshal_with(dict, code=200)
    def get(self) -> None:
        """Return nothing."""


class IdempotentForAnyone(Resource):
    """Takes idempotency keys, which belong to users, from everyone."""

    guard = ANYONE

    @idempotent
    @marshal_with(None, code=204)
    def get(self) -> None:
        """Return nothing."""


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (WithoutResponse, "no successful response"),
        (OnlyProblems, "no successful response"),
        (WithoutStatus, "code=200"),
        (UnknownLocation, "jsn"),
        (NoSchema, "is not a schema"),
        (IdempotentForAnyone, "a guard with a user"),
    ],
)
def test_a_wrong_annotation_stops_the_start_and_names_class_and_method(
    app: Flask, resource: type[Resource], reason: str
) -> None:
    named = rf"{resource.__name__}\.get: .*{reason}"
    with pytest.raises(InvalidResource, match=named), site(app, resource):
        pass
