"""Applications with the resources that a test defines, on the database of the test."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from app import auth, create_app, users
from app.core.database import db
from app.core.http import Api, Resource
from app.core.settings import Settings
from tests.support.clients import Client


class Resources:
    """A feature that consists of resources only."""

    def __init__(self, *resources: type[Resource]) -> None:
        self.resources = resources

    def register(self, api: Api) -> None:
        """Serve each resource at `/` and its name."""
        for resource in self.resources:
            api.add(resource, f"/{resource.__name__}")


@contextmanager
def site(app: Flask, *resources: type[Resource]) -> Iterator[Flask]:
    """Create an application with the settings of `app` that serves these resources, and lets users log in."""
    settings: Settings = app.extensions["settings"]
    created = create_app(settings, (auth, users, Resources(*resources)))
    try:
        yield created
    finally:
        with created.app_context():
            db.engine.dispose()


def user_of(created: Flask, user: Client) -> Client:
    """The same user, as a client of another application with the same settings."""
    return Client(created, user.token, user.refresh_token)
