"""Jobs in requests and responses."""

from marshmallow import fields

from app.core.http import PageQuery, page_of, sort_field
from app.core.http.fields import Moment, Schema

STATUSES = ["queued", "running", "succeeded", "failed", "cancelled"]


class ProgressSchema(Schema):
    """The progress of a job. `total` is null while it is unknown."""

    done = fields.Integer(required=True, metadata={"example": 500})
    total = fields.Integer(required=True, allow_none=True, metadata={"example": 10000})


class JobSchema(Schema):
    """A job."""

    id = fields.Integer(required=True, metadata={"example": 42})
    kind = fields.String(required=True, metadata={"example": "books.import"})
    status = fields.String(required=True, metadata={"enum": STATUSES})
    progress = fields.Nested(ProgressSchema, required=True)
    attempts = fields.Integer(required=True, metadata={"example": 1})
    result = fields.Dict(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    created_at = Moment(required=True)
    started_at = Moment(required=True, allow_none=True)
    finished_at = Moment(required=True, allow_none=True)


class JobQuery(PageQuery):
    """Query parameters of the list of jobs."""

    sort = sort_field("id", default="-id")


JobPageSchema = page_of(JobSchema)
