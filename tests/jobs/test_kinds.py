"""Every kind of job has a handler."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from app.jobs.handlers import kinds
from tests.support.environment import ROOT

FOLDERS = (ROOT / "app", ROOT / "tests" / "support")  # of features


def enqueued_kinds() -> Iterator[str]:
    """The kinds of jobs that any module enqueues: the first argument of each call of `enqueue`."""
    for file in [file for folder in FOLDERS for file in folder.glob("*/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "enqueue":
                found = [word.value for word in node.keywords if word.arg == "kind"] or [node.args[0]]
                module = importlib.import_module(module_name(file))
                yield str(eval(ast.unparse(found[0]), vars(module)))


def module_name(file: Path) -> str:
    """The dotted name of a file."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_enqueued_kind_of_job_has_a_handler(app: Flask) -> None:
    enqueued = set(enqueued_kinds())
    assert "notes.import" in enqueued
    assert set(kinds) == enqueued


def test_every_job_handler_has_a_docstring(app: Flask) -> None:
    assert [kind for kind, found in kinds.items() if not found.handler.__doc__] == []


def test_every_kind_of_job_names_its_feature_and_fits_its_column(app: Flask) -> None:
    for kind in kinds:
        feature, _, verb = kind.partition(".")
        assert any((folder / feature).is_dir() for folder in FOLDERS)
        assert 0 < len(verb) <= 50 - len(feature) - 1
