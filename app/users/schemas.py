"""Users in requests and responses."""

from typing import Any

from marshmallow import fields, validate

from app.core.http import PageQuery, page_of, sort_field
from app.core.http.fields import Moment, Schema, String


class Password(String):
    """A password to set or to check. Any characters are allowed, and none are stripped (NIST SP 800-63B, 3.1.1)."""

    def __init__(self, *, min: int = 8) -> None:
        super().__init__(min=min, max=128, strip=False, required=True, load_only=True, metadata={"format": "password"})


class Email(fields.Email):
    """An email address, converted to lower case."""

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


class UserQuery(PageQuery):
    """Query parameters of the list of users."""

    sort = sort_field("id", default="id")


class NewUserSchema(Schema):
    """A new account."""

    email = Email()
    password = Password()
    name = String(min=1, max=200, required=True, metadata={"example": "Ada"})


class UserChangesSchema(Schema):
    """The fields that users may change."""

    name = String(min=1, max=200, metadata={"example": "Ada King"})


class CurrentPasswordSchema(Schema):
    """The current password, as proof of identity."""

    current_password = Password(min=1)


class PasswordChangeSchema(Schema):
    """A new password, and the current one as proof of identity."""

    current_password = Password(min=1)
    new_password = Password()


UserPageSchema = page_of(UserSchema)
