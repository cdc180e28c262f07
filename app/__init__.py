"""Barah: a twelve-factor REST service. `flask`, gunicorn and Celery all find `create_app` here."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import auth, books, health, jobs, users
from app.core.api import Api
from app.core.celery import init_celery
from app.core.commands import register_commands
from app.core.database import engine_options, prepare_engine
from app.core.extensions import cors, db, jwt, migrate
from app.core.idempotency import REPLAYED
from app.core.logging import REQUEST_ID_HEADER, configure_logging, init_request_ids
from app.core.openapi import Documentation
from app.core.parsing import Request
from app.core.problems import register_error_handlers
from app.core.settings import Settings, load_settings
from app.core.unit_of_work import init_unit_of_work
from app.core.urls import database_url

API = "/api/v1"
DESCRIPTION = """
Books, and the jobs that import them.

Press **Authorize** and log in with an email and a password, or send `Authorization: Bearer <access token>`. Every error
is a problem (RFC 9457); its `request_id` finds the server's log lines.
"""


class Barah(Flask):
    """The application class: Flask, with a request that is read strictly."""

    request_class = Request


def create_app(settings: Settings | None = None) -> Flask:
    """Compose the application: the one place where everything meets.

    Args:
        settings: The configuration; the environment's unless given.

    Raises:
        InvalidSettings: the environment is not usable.
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
    init_unit_of_work(app)  # after Flask-SQLAlchemy: what is registered last is torn down first
    with app.app_context():
        prepare_engine(db.engine)
    migrate.init_app(app, db)
    jwt.init_app(app)
    if settings.cors_origins:
        shown = ["ETag", "Link", "Location", "Retry-After", REPLAYED, REQUEST_ID_HEADER]
        cors.init_app(app, origins=list(settings.cors_origins), expose_headers=shown)
    init_celery(app, settings)
    init_request_ids(app)
    register_error_handlers(app)
    register_commands(app)

    docs = Documentation(app, title="Barah", description=DESCRIPTION, token_url=f"{API}/auth/login")
    health.register(Api(app, docs))
    for feature in (auth, users, books, jobs):
        feature.register(Api(app, docs, prefix=API))
    return app
