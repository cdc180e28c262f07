"""The operations of an application: each method of each routed URL."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask

from app.core.http import Resource
from app.core.http.operation import guard_of
from app.core.security import Guard

PAGES = {"/", "/openapi.json", "/docs/", "/docs/{path}"}  # for people and tools


class Operation(NamedTuple):
    """A method of a URL."""

    method: str
    path: str
    resource: type[Resource]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """A URL of this operation, for the test client."""
        return "~" + re.sub(r"{\w+}", "1", self.path)

    @property
    def guard(self) -> Guard:
        """The guard of the method, or else of its class."""
        return guard_of(getattr(self.resource, self.method.lower()), self.resource)


def operations(app: Flask) -> Iterator[Operation]:
    """Every operation, without the pages."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        if path not in PAGES:
            resource = vars(app.view_functions[rule.endpoint])["view_class"]
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield Operation(method, path, resource)
