"""Health: what platforms and people look at first."""

from app.core.api import Api
from app.health.commands import doctor
from app.health.resources import Healthz, Readyz, landing


def register(api: Api) -> None:
    """Add the resources, at the root of the site, and the command."""
    api.app.add_url_rule("/", "landing", landing)
    api.add(Healthz, "/healthz")
    api.add(Readyz, "/readyz")
    api.app.cli.add_command(doctor)
