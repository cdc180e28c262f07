"""What `docs/logs.md` shows, for the tests that hold it to that."""

import re

from tests.support.environment import ROOT

TEXT = (ROOT / "docs" / "logs.md").read_text()


def block(language: str, word: str) -> str:
    """The block of code in a language that holds a word."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    (found,) = [code for code in blocks if word in code]
    return found


def table() -> dict[str, str]:
    """The fields that the page lists, with their types."""
    return dict(re.findall(r"^\| `([@\w.]+)` \| (\w+) \|", TEXT, re.MULTILINE))
