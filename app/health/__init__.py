"""Health: the probes of platforms, `flask doctor`, and the page at `/`."""

from app.core.http import Api
from app.health.commands import doctor
from app.health.resources import Healthz, Readyz, landing


def register(api: Api) -> None:
    """Add the resources, at the root of the site, and the command."""
    root = Api(api.app, api.docs)
    api.app.add_url_rule("/", "landing", landing)
    root.add(Healthz, "/healthz")
    root.add(Readyz, "/readyz")
    api.app.cli.add_command(doctor)
