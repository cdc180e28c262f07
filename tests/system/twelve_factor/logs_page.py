"""The examples and the table of `docs/logs.md`."""

import re

from tests.support.environment import ROOT

TEXT = (ROOT / "docs" / "logs.md").read_text()


def block(language: str, word: str) -> str:
    """The code block in a language that contains a word."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    (found,) = [code for code in blocks if word in code]
    return found


def table() -> dict[str, str]:
    """The fields that the page lists, and their types."""
    return dict(re.findall(r"^\| `([@\w.]+)` \| (\w+) \|", TEXT, re.MULTILINE))
