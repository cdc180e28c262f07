"""The base schema, and strict fields that every feature uses."""

import re
from datetime import datetime
from typing import Any

from marshmallow import RAISE, fields, validate
from marshmallow import Schema as BaseSchema


class Schema(BaseSchema):
    """The base of every schema. Input must contain no unknown field, and output every required one."""

    class Meta:
        unknown = RAISE

    def _init_fields(self) -> None:
        """Select the fields. `Nested` and `Pluck` copy a schema and call this again, with fewer fields."""
        super()._init_fields()
        self._required = {field.data_key or name for name, field in self.dump_fields.items() if field.required}

    def _serialize(self, obj: Any, *, many: bool = False) -> Any:
        """Serialize an object. marshmallow would leave out a field that the object lacks, even a required one.

        Raises:
            LookupError: The object lacks a required field.
        """
        data = super()._serialize(obj, many=many)
        if isinstance(data, dict) and not self._required <= data.keys():
            lacking = ", ".join(sorted(self._required - data.keys()))
            raise LookupError(f"{type(obj).__name__} lacks what {type(self).__name__} requires: {lacking}")
        return data


# Part of the OpenAPI document, so the pattern must also be valid in ECMA-262.
NO_NUL = validate.Regexp(r"^[^\x00]*$", error="Must not contain the NUL character.")


class String(fields.String):
    """Text. Surrounding white space is stripped, and NUL is refused because PostgreSQL cannot store it."""

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
    """An integer. JSON must contain a number; text (`text=True`) must consist of ASCII digits."""

    DIGITS = re.compile(r"-?[0-9]{1,18}")

    def __init__(self, *, min: int | None = None, max: int | None = None, text: bool = False, **options: Any) -> None:
        super().__init__(strict=not text, validate=validate.Range(min=min, max=max), **options)
        self.text = text

    def _validated(self, value: Any) -> Any:
        if isinstance(value, bool) or (self.text and not self.DIGITS.fullmatch(str(value))):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Moment(fields.Field):
    """A time in RFC 3339, UTC. The JSON encoder formats it."""

    def _serialize(self, value: datetime | None, *_: Any, **__: Any) -> datetime | None:
        return value


class Upload(fields.Field):
    """The bytes of a file, from a multipart field or from the whole body."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bytes:
        return value if isinstance(value, bytes) else bytes(value.read())
