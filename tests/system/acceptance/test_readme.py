"""The README's commands, run as they are printed."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import BIN, ROOT
from tests.system.harness.deploy import Formation, copy_tree

README = (ROOT / "README.md").read_text()


def block(heading: str, language: str = "bash") -> str:
    """The first code block below a heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found[1]


def run(script: str, folder: Path, **variables: str) -> str:
    """Run a script. The first command that fails ends it."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""} | variables
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_five_minutes_give_the_documented_answers(tmp_path: Path) -> None:
    script = block("The first five minutes").replace("sleep 3", "sleep 5")
    with Formation(f"sqlite:///{tmp_path}/barah.db", f"sqla+sqlite:///{tmp_path}/broker.db", tmp_path) as formation:
        output = run(script.replace("http://localhost:5000", formation.url), ROOT)
    assert "HTTP/1.1 202 ACCEPTED" in output
    assert "Location: /api/v1/jobs/1" in output
    assert '"status":"succeeded"' in output
    assert '"created":13,"updated":0,"unchanged":0,"rejected":2' in output
    assert '"title":"Odyssey"' in output
    assert '"next_cursor":"' in output
    assert '"errors":{' in output
    assert '"pages":["Unknown field."]' in output
    assert "Moby-Dick; or, The Whale" in output.split("title,author,isbn,year,language")[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A fresh clone."""
    return copy_tree(tmp_path / "clone")


def test_a_resource_and_a_job_are_added_as_documented(copy: Path) -> None:
    variables = {
        "DATABASE_URL": "sqlite:///var/barah.db",
        "BROKER_URL": "sqla+sqlite:///var/broker.db",
        "SECRET_KEY": secrets.token_hex(32),
    }
    # The environment exists; other tests run `bin/setup`.
    script = block("Add a resource").replace("bin/setup\n", "").replace(". .venv/bin/activate\n", "")
    assert ", add films." in run(f"flask db upgrade\n{script}", copy, **variables)

    tasks = copy / "app" / "films" / "tasks.py"
    tasks.write_text(f"{tasks.read_text()}\n\n{block('Add a job', 'python')}")

    use = Path(__file__).with_name("use_films.py")
    assert "the film is there, and tidy" in run(f"{sys.executable} -P {use}", copy, **variables | {"PYTHONPATH": "."})
