"""Resources: the guards of their methods, and their documentation."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from app.core.http import Api, Resource, marshal_with
from app.core.http.error_handlers import register_error_handlers
from app.core.http.fields import Schema
from app.core.http.openapi import Documentation
from app.core.security import ANYONE


class Private(Resource):
    """A resource with the default guard."""

    @marshal_with(Schema, code=200)
    def get(self) -> object:
        """Return an empty object."""
        return object()


class Public(Private):
    """The same resource without a guard."""

    guard = ANYONE


def test_an_inherited_method_has_the_guard_of_its_class(app: Flask) -> None:
    for classes in ((Private, Public), (Public, Private)):
        site = Flask("site")
        site.config.update(app.config)
        register_error_handlers(site)
        app.extensions["flask-jwt-extended"].init_app(site)
        api = Api(site, Documentation(site, title="t", description="d", token_url="/"))
        for resource in classes:
            api.add(resource, f"/{resource.__name__}")
        client = site.test_client()
        assert client.get("/Public").status_code == 200
        assert client.get("/Private").status_code == 401


def test_concurrent_first_requests_get_the_same_document(app: Flask) -> None:
    docs = Documentation(Flask("site"), title="t", description="d", token_url="/")
    with ThreadPoolExecutor(8) as threads:
        documents = list(threads.map(lambda _: docs.document(), range(8)))
    assert len(set(documents)) == 1


def test_a_second_api_registers_no_function_again(app: Flask) -> None:
    functions = app.before_request_funcs[None]
    assert len(functions) == len(set(functions))
