"""A web process that is killed between the commit of a job and its announcement."""

import os
import signal
from typing import Any

from flask import Flask

import app


def die(*_: Any) -> None:
    """End the whole process group."""
    os.killpg(0, signal.SIGKILL)


def create_app() -> Flask:
    """The application, with a broker that nobody survives."""
    flask_app = app.create_app()
    flask_app.extensions["broker"].publish = die
    return flask_app
