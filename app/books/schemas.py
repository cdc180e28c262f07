"""Books in requests and responses."""

from typing import Any

from marshmallow import ValidationError, fields, validate
from stdnum import isbn
from stdnum.exceptions import InvalidChecksum
from stdnum.exceptions import ValidationError as InvalidNumber

from app.core.http import PageQuery, page_of, sort_field
from app.core.http.fields import Integer, Moment, Schema, String, Upload

YEARS: Any = {"min": -3000, "max": 2100}


class Isbn(String):
    """An ISBN-10 or ISBN-13, with or without hyphens and spaces. It is stored as ISBN-13."""

    def __init__(self, **options: Any) -> None:
        example = {"example": "978-0-14-143951-8", "description": "ISBN-10 or ISBN-13. Responses contain ISBN-13."}
        super().__init__(max=50, metadata=example, **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        self._validate(text)  # the documented length is that of the input, with its hyphens
        try:
            return str(isbn.validate(text, convert=True))
        except InvalidChecksum:
            raise ValidationError("The checksum of this ISBN is wrong.") from None
        except InvalidNumber:
            raise ValidationError("Not an ISBN.") from None


class Language(String):
    """A language code in the form of ISO 639 or BCP 47, such as eng or en-US."""

    def __init__(self, **options: Any) -> None:
        tag = validate.Regexp(
            r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", error="Not a language code, such as eng or en-US."
        )
        super().__init__(max=35, form=tag, metadata={"example": "eng"}, **options)


class BookChangesSchema(Schema):
    """The fields of a book that can be changed."""

    title = String(min=1, max=500, metadata={"example": "Pride and Prejudice"})
    author = String(min=1, max=1000, metadata={"example": "Jane Austen"})
    isbn = Isbn()
    year = Integer(**YEARS, allow_none=True, metadata={"example": 1813})
    language = Language(allow_none=True)


class NewBookSchema(BookChangesSchema):
    """A new book."""

    title = String(min=1, max=500, required=True, metadata={"example": "Pride and Prejudice"})
    author = String(min=1, max=1000, required=True, metadata={"example": "Jane Austen"})
    isbn = Isbn(required=True)


class BookRowSchema(NewBookSchema):
    """A book in a row of a CSV file. All values are text."""

    year = Integer(**YEARS, allow_none=True, text=True)


class BookSchema(Schema):
    """A book."""

    id = fields.Integer(required=True, metadata={"example": 1})
    title = fields.String(required=True, metadata={"example": "Pride and Prejudice"})
    author = fields.String(required=True, metadata={"example": "Jane Austen"})
    isbn = fields.String(required=True, metadata={"example": "9780141439518"})
    year = fields.Integer(required=True, allow_none=True, metadata={"example": 1813})
    language = fields.String(required=True, allow_none=True, metadata={"example": "eng"})
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class BookQuery(PageQuery):
    """Query parameters of the list of books."""

    sort = sort_field("id", "title", "year", "created_at", default="id")
    q = String(max=200, metadata={"description": "Text in title or author."})
    author = String(max=200, metadata={"description": "Text in the author."})
    language = String(max=35, metadata={"description": "The language code."})
    year_min = Integer(**YEARS, text=True, metadata={"description": "The first year."})
    year_max = Integer(**YEARS, text=True, metadata={"description": "The last year."})


class CsvFileSchema(Schema):
    """A CSV file."""

    file = Upload(required=True)


BookPageSchema = page_of(BookSchema)
