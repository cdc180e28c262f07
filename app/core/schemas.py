"""Schema parts that every feature uses: a strict base, and fields that take exactly what they say."""

import re
from datetime import datetime
from typing import Any

from marshmallow import RAISE, fields, validate
from marshmallow import Schema as BaseSchema


class Schema(BaseSchema):
    """A schema that refuses unknown fields."""

    class Meta:
        unknown = RAISE

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Read objects by attribute only: marshmallow's search through keys and paths costs a third of a dump."""
        return getattr(obj, attr, default)


# It ends up in the OpenAPI document, so it is written as ECMA-262 and others understand it, too.
NO_NUL = validate.Regexp(r"^[^\x00]*$", error="Must not contain the NUL character.")


class String(fields.String):
    """Text without surrounding white space, and without NUL, which PostgreSQL cannot store."""

    def __init__(
        self,
        *,
        min: int | None = None,
        max: int,
        strip: bool = True,
        form: validate.Regexp = NO_NUL,
        **options: Any,
    ) -> None:
        super().__init__(validate=[validate.Length(min=min, max=max), form], **options)
        self.strip = strip

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        return str(text.strip() if self.strip else text)


class Integer(fields.Integer):
    """A whole number. From JSON only a number will do; from text, ASCII digits (`text=True`)."""

    DIGITS = re.compile(r"-?[0-9]{1,18}")

    def __init__(self, *, min: int | None = None, max: int | None = None, text: bool = False, **options: Any) -> None:
        super().__init__(strict=not text, validate=validate.Range(min=min, max=max), **options)
        self.text = text

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or (self.text and not self.DIGITS.fullmatch(str(value))):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Moment(fields.Field):
    """A moment, RFC 3339 in UTC; the JSON encoder writes it."""

    def _serialize(self, value: datetime | None, *_: Any, **__: Any) -> datetime | None:
        return value


class Upload(fields.Field):
    """A file's bytes, from a multipart field or a whole body."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bytes:
        return value if isinstance(value, bytes) else bytes(value.read())
