"""The OpenAPI document agrees with the routes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate

from tests.core.http.operations import operations
from tests.support.clients import Client


@pytest.fixture
def document(anonymous: Client) -> dict[str, Any]:
    """The OpenAPI document."""
    response = anonymous.get("~/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    parsed: dict[str, Any] = response.json
    return parsed


@pytest.fixture
def documented(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations of the document, by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)  # raises an error


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
        wanted = operation.guard.scheme
        assert schemes[:1] == ([wanted] if wanted else []), operation
        assert set(schemes) <= set(document["components"]["securitySchemes"]), operation
        assert not wanted or "401" in documented[str(operation)]["responses"], operation


def test_every_path_parameter_is_documented(documented: dict[str, Any]) -> None:
    for name, operation in documented.items():
        parameters = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert parameters == set(re.findall(r"{(\w+)}", name)), name


def examples(node: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Every example of a document, with its schema."""
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
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        fields = schema.get("properties", {})
        example = {field: fields[field]["example"] for field in fields if "example" in fields[field]}
        if set(schema.get("required", [])) <= set(example):
            validator = OAS31Validator(schema | {"components": document["components"]})
            assert [error.message for error in validator.iter_errors(example)] == [], name
            assert validator.is_valid(example | {"unknown": 1}) == ("additionalProperties" not in schema), name
            checked += 1
    assert checked >= 5
