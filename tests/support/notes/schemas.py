"""Notes in requests and responses."""

from typing import Any

from marshmallow import fields, validate

from app.core.http import PageQuery, page_of, sort_field
from app.core.http.fields import Integer, Moment, Schema, String, Upload

NUMBERS: Any = {"min": -3000, "max": 2100}
TAG = validate.Regexp(r"^[a-z]+(-[a-z]+)*$", error="Not a tag.")


class NoteChangesSchema(Schema):
    """The fields that may change."""

    title = String(min=1, max=500, metadata={"example": "Milk"})
    text = String(min=1, max=1000, metadata={"example": "Buy two bottles."})
    code = String(min=1, max=50, metadata={"example": "A-1"})
    number = Integer(**NUMBERS, allow_none=True, metadata={"example": 2})
    tag = String(max=35, form=TAG, allow_none=True, metadata={"example": "home"})


class NewNoteSchema(NoteChangesSchema):
    """A new note."""

    title = String(min=1, max=500, required=True, metadata={"example": "Milk"})
    text = String(min=1, max=1000, required=True, metadata={"example": "Buy two bottles."})
    code = String(min=1, max=50, required=True, metadata={"example": "A-1"})


class NoteSchema(Schema):
    """A note."""

    id = fields.Integer(required=True, metadata={"example": 1})
    title = fields.String(required=True, metadata={"example": "Milk"})
    text = fields.String(required=True, metadata={"example": "Buy two bottles."})
    code = fields.String(required=True, metadata={"example": "A-1"})
    number = fields.Integer(required=True, allow_none=True, metadata={"example": 2})
    tag = fields.String(required=True, allow_none=True, metadata={"example": "home"})
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class NoteQuery(PageQuery):
    """Query parameters of the list."""

    sort = sort_field("id", "title", "number", "created_at", default="id")
    q = String(max=200, metadata={"description": "Part of the title."})
    tag = String(max=35, metadata={"description": "The tag."})
    number_min = Integer(**NUMBERS, text=True, metadata={"description": "The smallest number."})


class NoteFileSchema(Schema):
    """A file of notes."""

    file = Upload(required=True)


NotePageSchema = page_of(NoteSchema)
