"""The process types of the Procfile."""

from honcho.environ import parse_procfile

from tests.support.environment import ROOT

PROCFILE: dict[str, str] = dict(parse_procfile((ROOT / "Procfile").read_text()).processes)  # as honcho reads it
