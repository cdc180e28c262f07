"""Health: what platforms and people look at first."""

from app.core.api import Api
from app.health.resources import Healthz, Readyz, landing


def register(api: Api) -> None:
    """Add the resources, at the root of the site."""
    api.app.add_url_rule("/", "landing", landing)
    api.add(Healthz, "/healthz")
    api.add(Readyz, "/readyz")
