"""Promises over all routes: each has an auth rule and is documented, each kind of job is done by somebody."""

import ast
import importlib
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import grimp
import pytest
from flask import Flask
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate

from app.core.http import Resource
from app.core.security import ANYONE, REFRESH
from app.jobs import runner
from tests.support.clients import Client
from tests.support.environment import ROOT

# Who adds to this list opens a door to the whole internet.
OPEN = {
    "GET /healthz",
    "GET /readyz",
    "POST /api/v1/auth/signup",
    "POST /api/v1/auth/login",
}
PAGES = {"/", "/openapi.json", "/docs/", "/docs/{path}"}  # for people and tools: no operations
APP = sorted((ROOT / "app").rglob("*.py"))


class Operation(NamedTuple):
    """A method of a URL, as it is routed."""

    method: str
    path: str
    resource: type[Resource] | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """A URL that leads there, for the test client; the tilde stands for the root."""
        return "~" + re.sub(r"{\w+}", "1", self.path)


def operations(app: Flask) -> Iterator[Operation]:
    """Everything that can be called, pages left out."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        resource = getattr(app.view_functions[rule.endpoint], "view_class", None)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"} if path not in PAGES else ():
            yield Operation(method, path, resource)


def guarded(app: Flask) -> list[Operation]:
    """The operations that are not open."""
    found = [operation for operation in operations(app) if str(operation) not in OPEN]
    assert len(found) > 10
    return found


@pytest.fixture
def document(anonymous: Client) -> dict[str, Any]:
    """The OpenAPI document."""
    answer = anonymous.get("~/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    parsed: dict[str, Any] = answer.json
    return parsed


@pytest.fixture
def documented(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations of the document, by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


# --- Who may call -----------------------------------------------------------------------------------------------------


def test_every_operation_except_the_open_ones_requires_a_token(app: Flask, anonymous: Client) -> None:
    for operation in guarded(app):
        answer = anonymous.open(operation.method, operation.url)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json"), operation
        assert answer.headers["WWW-Authenticate"] == "Bearer", operation


def test_head_requests_require_a_token_too(app: Flask, anonymous: Client) -> None:
    readable = [operation for operation in guarded(app) if operation.method == "GET"]
    assert {anonymous.open("HEAD", operation.url).status_code for operation in readable} == {401}


def test_open_operations_require_no_token(app: Flask, anonymous: Client) -> None:
    doors = [operation for operation in operations(app) if str(operation) in OPEN]
    assert {str(operation) for operation in doors} == OPEN
    for operation in doors:
        assert operation.resource is not None
        assert operation.resource.guard == ANYONE
        assert anonymous.open(operation.method, operation.url, json={}).status_code in (200, 422, 503), operation


def test_a_refresh_token_is_refused_by_every_other_operation(app: Flask, ada: Client) -> None:
    client = Client(app, ada.refresh_token)
    for operation in guarded(app):
        if operation.resource and operation.resource.guard != REFRESH:
            answer = client.open(operation.method, operation.url)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), operation


def test_an_access_token_is_refused_by_the_refresh_operation(app: Flask, ada: Client) -> None:
    asking = [operation for operation in guarded(app) if operation.resource and operation.resource.guard == REFRESH]
    assert [str(operation) for operation in asking] == ["POST /api/v1/auth/refresh"]
    assert ada.post("/auth/refresh").status_code == 401
    assert Client(app, ada.refresh_token).post("/auth/refresh").status_code == 200


# --- What the document says -------------------------------------------------------------------------------------------


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)  # raises


def test_the_document_contains_exactly_the_routes(app: Flask, documented: dict[str, Any]) -> None:
    assert set(documented) == {str(operation) for operation in operations(app)}


def test_every_operation_has_a_summary_a_tag_and_a_unique_id(documented: dict[str, Any]) -> None:
    for name, operation in documented.items():
        assert re.fullmatch(r"[A-Z].{3,100}[^.]", operation["summary"]), name
        assert len(operation["tags"]) == 1, name
    ids = [operation["operationId"] for operation in documented.values()]
    assert sorted(ids) == sorted(set(ids))


def test_every_operation_documents_its_success_and_its_errors(documented: dict[str, Any]) -> None:
    for name, operation in documented.items():
        responses = operation["responses"]
        assert responses["default"] == {"$ref": "#/components/responses/Problem"}, name
        assert [status for status in responses if status.startswith("2")], name


def test_documented_security_schemes_match_the_guards(
    app: Flask, document: dict[str, Any], documented: dict[str, Any]
) -> None:
    for operation in operations(app):
        schemes = [scheme for choice in documented[str(operation)].get("security", []) for scheme in choice]
        assert operation.resource is not None
        wanted = operation.resource.guard.scheme
        assert schemes[:1] == ([wanted] if wanted else []), operation
        assert set(schemes) <= set(document["components"]["securitySchemes"]), operation
        assert not wanted or "401" in documented[str(operation)]["responses"], operation


def test_every_path_parameter_is_documented(documented: dict[str, Any]) -> None:
    for name, operation in documented.items():
        parameters = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert parameters == set(re.findall(r"{(\w+)}", name)), name


def examples(node: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every example of a document, with the schema that it must fit."""
    if isinstance(node, dict):
        if "example" in node:
            yield node["example"], node.get("schema", node)
        for value in node.values():
            yield from examples(value)
    elif isinstance(node, list):
        for value in node:
            yield from examples(value)


def test_every_example_is_valid(document: dict[str, Any]) -> None:
    found = list(examples(document))
    assert len(found) > 30
    for example, schema in found:
        validator = OAS31Validator(schema | {"components": document["components"]}, format_checker=oas31_format_checker)
        assert [error.message for error in validator.iter_errors(example)] == [], schema


def test_the_examples_of_an_object_are_valid_together(document: dict[str, Any]) -> None:
    whole = 0
    for name, schema in document["components"]["schemas"].items():
        fields = schema.get("properties", {})
        example = {field: fields[field]["example"] for field in fields if "example" in fields[field]}
        if set(schema.get("required", [])) <= set(example):
            validator = OAS31Validator(schema | {"components": document["components"]})
            assert [error.message for error in validator.iter_errors(example)] == [], name
            assert validator.is_valid(example | {"unknown": 1}) == ("additionalProperties" not in schema), name
            whole += 1
    assert whole >= 5


# --- Work -------------------------------------------------------------------------------------------------------------


def enqueued_kinds() -> Iterator[str]:
    """The kinds of jobs that any module enqueues: the second argument of each call of `enqueue`."""
    for file in APP:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "enqueue":
                kinds = [word.value for word in node.keywords if word.arg == "kind"] or [node.args[1]]
                module = importlib.import_module(module_name(file))
                yield str(eval(ast.unparse(kinds[0]), vars(module)))


def module_name(file: Path) -> str:
    """The dotted name of a file of the application."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_enqueued_kind_of_job_has_a_handler(app: Flask) -> None:
    kinds = set(enqueued_kinds())
    assert "books.import" in kinds
    assert set(runner._handlers) == kinds


def test_every_job_handler_has_a_docstring(app: Flask) -> None:
    assert [kind for kind, handler in runner._handlers.items() if not handler.__doc__] == []


def test_every_kind_of_job_names_its_feature_and_fits_its_column(app: Flask) -> None:
    for kind in runner._handlers:
        feature, _, verb = kind.partition(".")
        assert (ROOT / "app" / feature).is_dir()
        assert 0 < len(verb) <= 50 - len(feature) - 1


# --- The code ---------------------------------------------------------------------------------------------------------


def test_no_file_of_the_application_exceeds_200_lines() -> None:
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in APP}
    assert {name: count for name, count in lines.items() if count > 200} == {}


def test_every_file_of_the_application_has_a_docstring() -> None:
    assert [str(file) for file in APP if not ast.get_docstring(ast.parse(file.read_text()))] == []


def test_there_are_no_circular_imports() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "app.core.settings" in imports["app.core.database"]
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))
