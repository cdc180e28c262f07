"""Users, as clients see and send them."""

from marshmallow import fields

from app.core.schemas import Moment, Schema, String


class Password(String):
    """A password to be set or checked: any characters, none stripped (NIST SP 800-63B, 3.1.1)."""

    def __init__(self, *, min: int = 8) -> None:
        super().__init__(min=min, max=128, strip=False, required=True, load_only=True, metadata={"format": "password"})


class UserSchema(Schema):
    """An account."""

    id = fields.Integer(required=True, metadata={"example": 1})
    email = fields.String(required=True, metadata={"example": "ada@example.org", "format": "email"})
    name = fields.String(required=True, metadata={"example": "Ada"})
    role = fields.String(required=True, metadata={"enum": ["user", "admin"]})
    email_verified = fields.Boolean(required=True)
    active = fields.Boolean(required=True)
    created_at = Moment(required=True)


class UserChangesSchema(Schema):
    """What users may change of themselves."""

    name = String(min=1, max=200, metadata={"example": "Ada King"})


class CurrentPasswordSchema(Schema):
    """Proof that it is the user who asks."""

    current_password = Password(min=1)
