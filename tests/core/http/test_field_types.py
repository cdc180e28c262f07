"""Every type of field works in requests, responses, fingerprints of idempotency keys, and the OpenAPI document."""

import enum
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from marshmallow import fields, validate

from app.core.http import Resource, idempotent, marshal_with, use_kwargs
from app.core.http.fields import Moment, Schema, Upload
from app.core.http.json import dumps
from tests.support.clients import Client, problem
from tests.support.sites import site, user_of

GUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


class Colour(enum.Enum):
    """An enum of texts."""

    RED = "red"


class Price(enum.Enum):
    """An enum of decimals."""

    LOW = Decimal("9.90")


# The field, what a client sends, what it gets back (the same, if None), and the type and format in OpenAPI.
FIELDS: dict[str, tuple[fields.Field, Any, Any, dict[str, Any]]] = {
    "decimal": (fields.Decimal(), "12.3450", None, {"type": "string", "format": "decimal"}),
    "large": (fields.Decimal(), "1E+20", "100000000000000000000", {"type": "string"}),
    "longest": (fields.Decimal(), "-1E+99", "-1" + "0" * 99, {}),
    "smallest": (fields.Decimal(), "1E-99", "0." + "0" * 98 + "1", {}),
    "huge": (fields.Decimal(), "1E+99999999", None, {}),
    "tiny": (fields.Decimal(), "-1.5E-99999999", None, {}),
    "zero": (fields.Decimal(), "0E+99999999", None, {}),
    "exact": (fields.Decimal(as_string=True), "0.10", None, {"type": "string"}),
    "uuid": (fields.UUID(), GUID, None, {"type": "string", "format": "uuid"}),
    "date": (fields.Date(), "2026-11-21", None, {"type": "string", "format": "date"}),
    "time": (fields.Time(), "12:30:00", None, {"type": "string"}),
    "datetime": (fields.DateTime(), "2026-11-21T12:30:00+01:00", None, {"type": "string", "format": "date-time"}),
    "naive": (fields.NaiveDateTime(), "2026-11-21T12:30:00", None, {"type": "string"}),
    "aware": (fields.AwareDateTime(), "2026-11-21T12:30:00+00:00", None, {"type": "string"}),
    "duration": (fields.TimeDelta(), 90, None, {"type": "integer"}),
    "colour": (fields.Enum(Colour), "RED", None, {"type": "string", "enum": ["RED"]}),
    "shade": (fields.Enum(Colour, by_value=True), "red", None, {"enum": ["red"]}),
    "price": (fields.Enum(Price, by_value=fields.Decimal), "9.90", None, {}),
    "flag": (fields.Boolean(), True, None, {"type": "boolean"}),
    "ratio": (fields.Float(), 0.5, None, {"type": "number"}),
    "count": (fields.Integer(), 5, None, {"type": "integer"}),
    "text": (fields.String(), "Émile \u2028", None, {"type": "string"}),
    "url": (fields.URL(), "https://example.org/", None, {"type": "string"}),
    "email": (fields.Email(), "ada@example.org", None, {"type": "string"}),
    "address": (fields.IP(), "192.0.2.1", None, {"type": "string"}),
    "address6": (fields.IPv6Interface(), "2001:db8::1/64", None, {"type": "string"}),
    "list": (fields.List(fields.Decimal()), ["1.0", "2"], None, {"type": "array"}),
    "pair": (fields.Tuple((fields.UUID(), fields.Date())), [GUID, "2026-11-21"], None, {"type": "array"}),
    "by_date": (fields.Dict(fields.Date(), fields.Decimal()), {"2026-11-21": "1.5"}, None, {"type": "object"}),
    "by_number": (fields.Dict(fields.Integer(), fields.String()), {"1": "one"}, None, {"type": "object"}),
    "raw": (fields.Raw(), {"a": [1, None]}, None, {}),
    "nested": (fields.Nested({"price": fields.Decimal()}), {"price": "1.5"}, None, {}),
}
EVERYTHING = Schema.from_dict({name: field for name, (field, *_) in FIELDS.items()}, name="Everything")


class UnusualSchema(Schema):
    """Values that a function or a raw field may return."""

    data = fields.Raw(required=True)
    moment = Moment(required=True)


class UploadSchema(Schema):
    """A file."""

    file = Upload(required=True)


class TagsQuery(Schema):
    """A query with a list."""

    tag = fields.List(fields.String(validate=validate.Length(max=3)), load_default=list)


class Echo(Resource):
    """Returns what it is sent."""

    @idempotent
    @use_kwargs(EVERYTHING, location="json")
    @marshal_with(EVERYTHING, code=201)
    def post(self, **values: Any) -> Any:
        """Return the values."""
        return values


class Tags(Resource):
    """Returns the tags of its query."""

    @use_kwargs(TagsQuery, location="query")
    @marshal_with(TagsQuery, code=200)
    def get(self, tag: list[str]) -> Any:
        """Return the tags."""
        return {"tag": tag}


class Unusual(Resource):
    """Returns values that JSON has no type for."""

    @marshal_with(UnusualSchema, code=200)
    def get(self) -> Any:
        """Return the values."""
        sets = [{Decimal(3), Decimal(1)}, frozenset({UUID(GUID)})]
        data = [*sets, b"\xff\x00", timedelta(minutes=1.5), (date.min, time())]
        return {"data": data, "moment": datetime(2026, 11, 21, tzinfo=UTC)}


@pytest.fixture
def user(app: Flask, ada: Client) -> Iterator[Client]:
    with site(app, Echo, Tags, Unusual) as created:
        yield user_of(created, ada)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_any_type_is_read_and_returned(user: Client, name: str) -> None:
    _, sent, returned, _ = FIELDS[name]
    response = user.post("/Echo", json={name: sent})
    assert (response.status_code, response.json) == (201, {name: sent if returned is None else returned})


@pytest.mark.parametrize("name", FIELDS)
def test_a_request_with_a_field_of_any_type_is_replayed(user: Client, name: str) -> None:
    sent = {name: FIELDS[name][1]}
    first, second = (user.post("/Echo", json=sent, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code, second.data) == (201, 201, first.data)
    assert second.headers["Idempotent-Replayed"] == "true"
    other = user.post("/Echo", json={name: None} if name == "raw" else {}, headers={"Idempotency-Key": "k"})
    assert problem(other)[0] == 422


@pytest.mark.parametrize("name", FIELDS)
def test_the_document_describes_a_field_of_any_type(user: Client, name: str) -> None:
    document = user.get("~/openapi.json").json
    described = document["components"]["schemas"]["Everything"]["properties"][name]
    assert described.items() >= FIELDS[name][3].items()


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["without a key", "with a key"])
def test_an_integer_beyond_64_bits_gets_400(user: Client, number: int, headers: dict[str, str]) -> None:
    for name in ("count", "raw"):
        assert problem(user.post("/Echo", json={name: number}, headers=headers))[0] == 400


def test_values_without_a_type_in_json_are_returned_as_the_nearest_one(user: Client) -> None:
    response = user.get("/Unusual")
    assert response.status_code == 200, response.text
    assert response.json == {
        "data": [["1", "3"], [GUID], "/wA=", 90.0, ["0001-01-01", "00:00:00"]],
        "moment": "2026-11-21T00:00:00Z",
    }


def test_a_value_of_an_unknown_type_is_an_error_that_names_the_type() -> None:
    with pytest.raises(TypeError, match="Resource"):
        dumps({"a": Resource()})


def test_a_list_in_a_query_is_given_by_repeating_its_name(user: Client) -> None:
    assert user.get("/Tags?tag=a&tag=b").json == {"tag": ["a", "b"]}
    assert user.get("/Tags").json == {"tag": []}
    status, body = problem(user.get("/Tags?tag=a&tag=long"))
    assert (status, list(body["errors"])) == (422, ["tag.1"])
