"""The README's code blocks."""

import re

from tests.support.environment import ROOT

README = (ROOT / "README.md").read_text()


def block(heading: str) -> str:
    """The first block of shell commands below a heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found[1]
