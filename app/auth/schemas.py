"""Credentials and tokens."""

from marshmallow import EXCLUDE, fields, validate

from app.core.schemas import Schema, String
from app.users.schemas import Password


class CredentialsSchema(Schema):
    """Who you are, and the proof."""

    email = String(max=254, required=True, metadata={"example": "ada@example.org"})
    password = Password(min=1)


class PasswordGrantSchema(Schema):
    """The OAuth 2 password form (RFC 6749, section 4.3.2); parameters that it does not know are ignored."""

    class Meta:
        unknown = EXCLUDE

    grant_type = fields.String(required=True, load_only=True, validate=validate.Equal("password"))
    email = String(max=254, required=True, data_key="username", metadata={"example": "ada@example.org"})
    password = Password(min=1)


class TokensSchema(Schema):
    """A pair of tokens (RFC 6749, section 5.1)."""

    access_token = fields.String(required=True, metadata={"description": "Good for `expires_in` seconds."})
    refresh_token = fields.String(required=True, metadata={"description": "Good once, for the next pair."})
    token_type = fields.String(required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(required=True, metadata={"example": 900})


class NewPasswordSchema(Schema):
    """A new password, and proof that it is the user who asks."""

    current_password = Password(min=1)
    new_password = Password()
