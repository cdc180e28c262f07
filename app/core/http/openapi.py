"""The OpenAPI 3.1 document, generated from the resources, and Swagger UI."""

from http import HTTPStatus
from inspect import getdoc
from threading import Lock
from typing import Any, cast

from apispec import APISpec
from apispec.core import VALID_METHODS_OPENAPI_V3
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response
from flask_apispec import FlaskApiSpec
from flask_apispec.apidoc import ResourceConverter
from flask_apispec.utils import merge_recursive, resolve_annotations
from flask_swagger_ui import get_swaggerui_blueprint
from marshmallow import Schema as BaseSchema
from marshmallow import fields
from werkzeug.routing import Rule

from app.core.http import idempotency
from app.core.http.fields import Moment, Schema, Upload
from app.core.http.json import dumps
from app.core.http.operation import guard_of, inputs_of, responses_of
from app.core.http.parser import MEDIA_TYPES
from app.core.http.resource import RowId
from app.core.security import Guard

PATH = "/openapi.json"
UI_PATH = "/docs"
PROBLEM = {"$ref": "#/components/responses/Problem"}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": idempotency.HEADER,
    "schema": {"type": "string", "maxLength": 255},
    "description": "Makes the request safe to retry. Within 24 hours, the same request with the same key gets the "
    "first response again. A different request with the same key is refused.",
}


class ProblemSchema(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True, metadata={"example": "about:blank"})
    title = fields.String(required=True, metadata={"example": "Unprocessable Entity"})
    status = fields.Integer(required=True, metadata={"example": 422})
    detail = fields.String(required=True, metadata={"example": "Some fields are not valid."})
    request_id = fields.String(required=True, allow_none=True)
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "With 422: messages by field.", "example": {"year": ["Not a valid integer."]}},
    )


class Documentation(FlaskApiSpec):
    """flask-apispec, extended to OpenAPI 3.1. The document is built on its first request."""

    def __init__(self, app: Flask, *, title: str, description: str, token_url: str) -> None:
        """Serve the document and Swagger UI.

        Args:
            app: The application.
            title: The name of the API.
            description: Its description, in Markdown.
            token_url: The token endpoint of the OAuth 2 password flow, so that "Authorize" in Swagger UI accepts an
                email and a password.
        """
        self.info = {"description": description}
        self.title, self.token_url = title, token_url
        self._document, self._building = b"", Lock()
        super().__init__(app, document_options=False)

    def init_app(self, app: Flask) -> None:
        """Prepare the document and add its routes."""
        self.app = app
        plugin = MarshmallowPlugin()
        self.spec = APISpec(self.title, "1", "3.1.0", plugins=[plugin], info=self.info)
        plugin.map_to_openapi_type(Moment, "string", "date-time")
        plugin.map_to_openapi_type(Upload, "string", "binary")
        plugin.map_to_openapi_type(fields.Decimal, "string", "decimal")
        plugin.map_to_openapi_type(fields.Tuple, "array", None)
        plugin.map_to_openapi_type(fields.IPInterface, "string", None)
        self.resource_converter = _Converter(app, self.spec, self.document_options)
        self.add_swagger_routes()

    def add_swagger_routes(self) -> None:
        """Serve the document, and Swagger UI from flask-swagger-ui: flask-apispec bundles an old, vulnerable one."""
        self.app.add_url_rule(PATH, "openapi", lambda: Response(self.document(), content_type="application/json"))
        self.app.register_blueprint(get_swaggerui_blueprint(UI_PATH, PATH, {"app_name": self.title}))

    def _defer(self, register: Any, *args: Any, **options: Any) -> None:
        self._deferred.append(lambda: register(*args, **options))

    def document(self) -> bytes:
        """The OpenAPI document, as JSON."""
        with self._building:
            self._document = self._document or self._build()
        return self._document

    def _build(self) -> bytes:
        components = self.spec.components
        components.response(
            "Problem",
            {"description": "A problem.", "content": {"application/problem+json": {"schema": ProblemSchema}}},
        )
        flow = {"tokenUrl": self.token_url, "scopes": {}}
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        schemes: dict[str, dict[str, Any]] = {
            "access_token": bearer | {"description": "An access token."},
            "refresh_token": bearer | {"description": "A refresh token, to exchange for a new pair of tokens."},
            "password": {
                "type": "oauth2",
                "flows": {"password": flow},
                "description": "Log in. The username is your email. Leave `client_id` and `client_secret` empty.",
            },
        }
        for name, scheme in schemes.items():
            components.security_scheme(name, scheme)
        for register in self._deferred:
            register()
        return dumps(self.spec.to_dict())


class _Converter(ResourceConverter):
    """Documents an operation from its method's annotations, docstring and guard."""

    def get_operations(self, rule: Rule, resource: Any) -> dict[str, Any]:
        """Sort the methods: Flask keeps them in a set, whose order differs between processes."""
        operations = super().get_operations(rule, resource)
        methods = map(str.upper, VALID_METHODS_OPENAPI_V3)
        return {method: operations[method] for method in methods if method in operations}

    def get_operation(self, rule: Rule, view: Any, parent: Any = None) -> dict[str, Any]:
        summary, _, description = (getdoc(view) or "").partition("\n")
        inputs = inputs_of(view)
        query = inputs.pop("query", None)
        guard = guard_of(view, type(parent))
        operation: dict[str, Any] = {
            "operationId": f"{view.__name__}{type(parent).__name__}",
            "tags": [type(parent).__module__.split(".")[-2]],
            "summary": summary.rstrip("."),
            "description": description.strip(),
            "parameters": _path_parameters(rule),
            "responses": self._responses(view, guard, bool(inputs), bool(query), bool(rule.arguments)),
        }
        if query:
            operation["parameters"] += self.marshmallow_plugin.converter.schema2parameters(query, location="query")
        if hasattr(view, "__idempotent__"):
            operation["parameters"].append(IDEMPOTENCY_KEY)
            operation["responses"]["409"] = PROBLEM
        if inputs:
            operation["requestBody"] = {"required": True, "content": _content(inputs)}
        if guard.scheme:
            schemes = ("access_token", "password") if guard.scheme == "access_token" else (guard.scheme,)
            operation["security"] = [{scheme: []} for scheme in schemes]
        documented = merge_recursive(resolve_annotations(view, "docs", parent).options)
        operation["parameters"] += documented.pop("parameters", [])
        return cast(dict[str, Any], merge_recursive([operation, documented]))

    def _responses(self, view: Any, guard: Guard, body: bool, query: bool, path: bool) -> dict[str, Any]:
        implied = {401: guard.scheme, 403: guard.role, 404: path, 422: query}
        implied |= dict.fromkeys((400, 413, 415, 422), body) if body else {}
        responses: dict[str, Any] = {str(status): PROBLEM for status, applies in implied.items() if applies}
        for status, answer in responses_of(view).items():
            if status >= 400 and not answer["schema"]:
                responses[str(status)] = PROBLEM
                continue
            responses[str(status)] = {"description": answer["description"] or HTTPStatus(status).phrase}
            if answer["schema"]:
                responses[str(status)]["content"] = {"application/json": {"schema": answer["schema"]}}
        return dict(sorted(responses.items())) | {"default": PROBLEM}


def _content(schemas: dict[str, BaseSchema]) -> dict[str, Any]:
    raw = {"schema": {"type": "string"}}
    return {
        MEDIA_TYPES[location]: raw if location == "csv" else {"schema": schema} for location, schema in schemas.items()
    }


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    row_id = {"type": "integer", "format": "int64", "minimum": 1}
    converters = rule._converters  # noqa: SLF001
    schemas = {name: row_id if isinstance(converters[name], RowId) else {"type": "string"} for name in rule.arguments}
    return [{"in": "path", "name": name, "required": True, "schema": schemas[name]} for name in sorted(schemas)]
