"""What monitors read."""

from marshmallow import fields

from app.core.schemas import Schema


class AliveSchema(Schema):
    """The process answers."""

    status = fields.String(required=True, metadata={"example": "ok"})
    release = fields.String(required=True, metadata={"example": "v42"})


class ReadySchema(Schema):
    """What the process needs, and whether it is there: `ok` or `failing`."""

    status = fields.String(required=True, metadata={"example": "ok"})
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"example": {"database": "ok", "migrations": "ok", "broker": "ok"}},
    )
