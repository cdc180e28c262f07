"""Liveness, readiness, and the page at `/`."""

from pathlib import Path
from typing import Any

import orjson
from flask import Response

from app.core.http import Resource, marshal_with
from app.core.security import ANYONE
from app.core.settings import current_settings
from app.health import service
from app.health.schemas import AliveSchema, ReadySchema

LANDING = Path(__file__).with_name("landing.html").read_text("utf-8")


class Healthz(Resource):
    """Liveness."""

    guard = ANYONE

    @marshal_with(AliveSchema, code=200)
    def get(self) -> dict[str, Any]:
        """Report that the process is alive, and its release. Checks nothing else."""
        return {"status": "ok", "release": current_settings().release}


class Readyz(Resource):
    """Readiness."""

    guard = ANYONE

    @marshal_with(ReadySchema, code=200)
    @marshal_with(ReadySchema, code=503)
    def get(self) -> Response:
        """Report whether the backing services respond, within two seconds."""
        checks = service.readiness()
        ready = all(checks.values())
        body = {
            "status": "ok" if ready else "unavailable",
            "checks": {name: "ok" if passed else "failing" for name, passed in checks.items()},
        }
        return Response(orjson.dumps(body), 200 if ready else 503, content_type="application/json")


def landing() -> str:
    """Serve the page at `/`."""
    return LANDING
