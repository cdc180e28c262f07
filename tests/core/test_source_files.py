"""Rules for the files of the application and its tests."""

import ast
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

from tests.support.environment import ROOT

APP = sorted((ROOT / "app").rglob("*.py"))
TESTS = sorted(file for file in (ROOT / "tests").rglob("*.py") if "system" not in file.relative_to(ROOT).parts)


def test_no_file_exceeds_200_lines() -> None:
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in APP + TESTS}
    assert {name: count for name, count in lines.items() if count > 200} == {}


def test_every_file_has_a_docstring() -> None:
    assert [str(file) for file in APP + TESTS if not ast.get_docstring(ast.parse(file.read_text()))] == []


def test_there_are_no_circular_imports() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "app.core.settings" in imports["app.core.database.engine"]
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))
