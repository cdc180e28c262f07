"""Every kind of job has a handler."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from app.jobs import runner
from tests.support.environment import ROOT

FOLDERS = (ROOT / "app", ROOT / "tests" / "support")  # of features


def enqueued_kinds() -> Iterator[str]:
    """The kinds of jobs that any module enqueues: the second argument of each call of `enqueue`."""
    for file in [file for folder in FOLDERS for file in folder.glob("*/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "enqueue":
                kinds = [word.value for word in node.keywords if word.arg == "kind"] or [node.args[1]]
                module = importlib.import_module(module_name(file))
                yield str(eval(ast.unparse(kinds[0]), vars(module)))


def module_name(file: Path) -> str:
    """The dotted name of a file."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_enqueued_kind_of_job_has_a_handler(app: Flask) -> None:
    kinds = set(enqueued_kinds())
    assert "notes.import" in kinds
    assert set(runner._handlers) == kinds


def test_every_job_handler_has_a_docstring(app: Flask) -> None:
    assert [kind for kind, handler in runner._handlers.items() if not handler.__doc__] == []


def test_every_kind_of_job_names_its_feature_and_fits_its_column(app: Flask) -> None:
    for kind in runner._handlers:
        feature, _, verb = kind.partition(".")
        assert any((folder / feature).is_dir() for folder in FOLDERS)
        assert 0 < len(verb) <= 50 - len(feature) - 1
