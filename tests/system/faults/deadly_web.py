"""A web process that is killed after the commit of a job and before its announcement."""

import os
import signal
from typing import Any

from flask import Flask

import app


def die(*_: Any) -> None:
    """Kill the whole process group."""
    os.killpg(0, signal.SIGKILL)


def create_app() -> Flask:
    """Create the application with a publisher that kills the process when a job is announced."""
    flask_app = app.create_app()
    flask_app.extensions["publisher"].publish = die
    return flask_app
