"""The README's commands, run as they are printed."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.environment import ROOT, environment
from tests.system.acceptance.readme import block
from tests.system.harness.deploy import Formation, copy_tree


def run(script: str, folder: Path, **variables: str) -> str:
    """Run a script as in a new terminal. The first command that fails ends it."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_five_minutes_give_the_documented_answers(tmp_path: Path) -> None:
    script = block("The first five minutes")
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


@pytest.mark.timeout(600)
def test_a_resource_and_a_job_are_added_as_documented(tmp_path: Path) -> None:
    clone = copy_tree(tmp_path / "clone")
    output = run(block("Add a resource") + block("Add a job"), clone)
    assert ", add films." in output
    assert re.search(r"\d+ passed", output)

    use = Path(__file__).with_name("use_films.py")
    script = f". .venv/bin/activate\ndotenv run python -P {use}"
    assert "the film is there, and tidy" in run(script, clone, PYTHONPATH=".")
