"""The responses of the probes."""

from marshmallow import fields

from app.core.http.fields import Schema


class AliveSchema(Schema):
    """The process is alive."""

    status = fields.String(required=True, metadata={"example": "ok"})
    release = fields.String(required=True, metadata={"example": "v42"})


class ReadySchema(Schema):
    """The backing services, each `ok` or `failing`."""

    status = fields.String(required=True, metadata={"example": "ok"})
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"example": {"database": "ok", "migrations": "ok", "broker": "ok"}},
    )
