"""Barah: a twelve-factor REST service. `flask`, gunicorn and Celery find `create_app` here."""

from collections.abc import Sequence
from typing import Protocol

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import auth, books, health, jobs, users
from app.core.broker.celery import init_celery
from app.core.commands import register_commands
from app.core.database import db
from app.core.database.engine import engine_options, prepare_engine
from app.core.database.session import init_sessions
from app.core.extensions import cors, jwt, migrate
from app.core.http import Api
from app.core.http.error_handlers import register_error_handlers
from app.core.http.idempotency import REPLAYED
from app.core.http.openapi import Documentation
from app.core.http.request import Request
from app.core.http.resource import init_routing
from app.core.observability.logging import configure_logging
from app.core.observability.request_ids import REQUEST_ID_HEADER, init_request_ids
from app.core.settings import Settings, load_settings
from app.core.urls import database_url

PREFIX = "/api/v1"
DESCRIPTION = """
Press **Authorize** and log in with an email and a password, or send `Authorization: Bearer <access token>`. Every error
is a problem (RFC 9457). Its `request_id` identifies the server's log lines.
"""


class Feature(Protocol):
    """A package with a function `register`, which adds its resources and commands."""

    def register(self, api: Api) -> None:
        """Add the feature to the application of `api`."""


FEATURES: tuple[Feature, ...] = (
    health,
    auth,
    users,
    jobs,
    books,
)


class Barah(Flask):
    """The application class: Flask with the strict request class."""

    request_class = Request


def create_app(settings: Settings | None = None, features: Sequence[Feature] = FEATURES) -> Flask:
    """Compose the application.

    Args:
        settings: The configuration; read from the environment by default.
        features: The features to register, in this order.

    Raises:
        InvalidSettings: The environment is invalid.
    """
    settings = settings or load_settings()
    configure_logging(settings)

    app = Barah("app", static_folder=None)
    app.extensions["settings"] = settings
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        SQLALCHEMY_DATABASE_URI=database_url(settings.database_url.get_secret_value()),
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
    )
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_port=hops)  # type: ignore[method-assign]

    db.init_app(app)
    init_sessions(app)  # after Flask-SQLAlchemy: the last teardown function registered runs first
    with app.app_context():
        prepare_engine(db.engine)
    migrate.init_app(app, db)
    jwt.init_app(app)
    if settings.cors_origins:
        exposed = ["ETag", "Link", "Location", "Retry-After", REPLAYED, REQUEST_ID_HEADER]
        cors.init_app(app, origins=list(settings.cors_origins), expose_headers=exposed)
    init_celery(app, settings)
    init_request_ids(app)
    init_routing(app)
    register_error_handlers(app)
    register_commands(app)

    docs = Documentation(app, title="Barah", description=DESCRIPTION, token_url=f"{PREFIX}/auth/login")
    api = Api(app, docs, prefix=PREFIX)
    for feature in features:
        feature.register(api)
    return app
