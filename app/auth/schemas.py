"""Credentials and tokens."""

from marshmallow import EXCLUDE, fields, validate

from app.core.http.fields import Schema, String
from app.users.schemas import Password


class CredentialsSchema(Schema):
    """An email and a password."""

    email = String(max=254, required=True, metadata={"example": "ada@example.org"})
    password = Password(min=1)


class PasswordGrantSchema(Schema):
    """The OAuth 2 password form (RFC 6749, section 4.3.2). Unknown parameters are ignored."""

    class Meta:
        unknown = EXCLUDE

    grant_type = fields.String(required=True, load_only=True, validate=validate.Equal("password"))
    email = String(max=254, required=True, data_key="username", metadata={"example": "ada@example.org"})
    password = Password(min=1)


class TokensSchema(Schema):
    """A pair of tokens (RFC 6749, section 5.1)."""

    access_token = fields.String(required=True, metadata={"description": "Valid for `expires_in` seconds."})
    refresh_token = fields.String(required=True, metadata={"description": "Can be used once, for the next pair."})
    token_type = fields.String(required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(required=True, metadata={"example": 900})
