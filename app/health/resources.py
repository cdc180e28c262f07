"""Health, readiness, and the page at `/`."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from flask import Response, current_app

from app.core.api import Resource, marshal_with
from app.core.security import ANYONE
from app.health import service
from app.health.schemas import AliveSchema, ReadySchema

LANDING = Path(__file__).with_name("landing.html").read_text("utf-8")


class Healthz(Resource):
    """Liveness."""

    guard = ANYONE

    @marshal_with(AliveSchema, code=200)
    def get(self) -> Any:
        """Tell that the process is alive, and of which release it is; asks nothing else."""
        return SimpleNamespace(status="ok", release=current_app.extensions["settings"].release)


class Readyz(Resource):
    """Readiness."""

    guard = ANYONE

    @marshal_with(ReadySchema, code=200)
    @marshal_with(ReadySchema, code=503)
    def get(self) -> Response:
        """Tell whether the backing services are there, within two seconds."""
        checks = service.readiness()
        ready = all(checks.values())
        body = {
            "status": "ok" if ready else "unavailable",
            "checks": {name: "ok" if well else "failing" for name, well in checks.items()},
        }
        return Response(orjson.dumps(body), 200 if ready else 503, content_type="application/json")


def landing() -> str:
    """Greet whoever opens the service in a browser."""
    return LANDING
