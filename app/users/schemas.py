"""Users, as clients see and send them."""

from typing import Any

from marshmallow import fields, validate

from app.core.schemas import Moment, Schema, String


class Password(String):
    """A password to be set or checked: any characters, none stripped (NIST SP 800-63B, 3.1.1)."""

    def __init__(self, *, min: int = 8) -> None:
        super().__init__(min=min, max=128, strip=False, required=True, load_only=True, metadata={"format": "password"})


class Email(fields.Email):
    """An email address, in lower case: which may be longer than it was."""

    def __init__(self) -> None:
        super().__init__(required=True, validate=validate.Length(max=254), metadata={"example": "ada@example.org"})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return str(super()._deserialize(value, *args, **kwargs)).lower()


class UserSchema(Schema):
    """An account."""

    id = fields.Integer(required=True, metadata={"example": 1})
    email = fields.String(required=True, metadata={"example": "ada@example.org", "format": "email"})
    name = fields.String(required=True, metadata={"example": "Ada"})
    role = fields.String(required=True, metadata={"enum": ["user", "admin"]})
    email_verified = fields.Boolean(required=True)
    active = fields.Boolean(required=True)
    created_at = Moment(required=True)


class NewUserSchema(Schema):
    """A new account."""

    email = Email()
    password = Password()
    name = String(min=1, max=200, required=True, metadata={"example": "Ada"})


class UserChangesSchema(Schema):
    """What users may change of themselves."""

    name = String(min=1, max=200, metadata={"example": "Ada King"})


class CurrentPasswordSchema(Schema):
    """Proof that it is the user who asks."""

    current_password = Password(min=1)
