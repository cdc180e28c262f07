"""Values that the database generates are in the response."""

from flask import Flask
from marshmallow import fields

from app.core.database import db
from app.core.http import Resource, marshal_with
from app.core.http.fields import Schema
from app.core.security import ANYONE
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.sites import site


class UserIdSchema(Schema):
    """The id of a user."""

    id = fields.Integer(required=True)


class Added(Resource):
    """Adds a user without a flush."""

    guard = ANYONE

    @marshal_with(UserIdSchema, code=201)
    def post(self) -> User:
        """Add a user."""
        user = User(email="new@example.org", name="New", password_hash="no hash")
        db.session.add(user)
        return user


@every_database
def test_a_new_row_has_its_id_in_the_response(app: Flask) -> None:
    with site(app, Added) as created:
        response = Client(created).post("/Added")
    assert response.status_code == 201
    assert response.json["id"] > 0
