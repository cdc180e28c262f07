"""The Procfile's lines, as honcho reads them: tests run them, and hold no copy of them."""

from honcho.environ import parse_procfile

from tests.formation import ROOT

LINES: dict[str, str] = dict(parse_procfile((ROOT / "Procfile").read_text()).processes)
