"""Dokku: a push builds the Dockerfile, and docs/dokku.json is what Dokku reads instead of Heroku's app.json.

Seen failing: a misspelt `attempts`, a path beside an `uptime`, `/healthz`, too few attempts, a liveness check, no
check of the worker, a cron command with `&&` or one that is none, a quantity, a `project.toml`, an ENTRYPOINT, other
values than on Heroku: each in the test of that name.
"""

import json
import re
import shlex
from typing import Any

import pytest
from flask import Flask

from tests.support.clients import Client
from tests.support.environment import ROOT
from tests.system.formation import LINES
from tests.system.shipping.dynos import APP_JSON

DOKKU: dict[str, Any] = json.loads((ROOT / "docs/dokku.json").read_text())
CHECKS = [(process, check) for process, checks in DOKKU["healthchecks"].items() for check in checks]
# The fields of AppJSON in plugins/app-json/appjson.go of Dokku 0.38; what it does not know, it ignores without a word.
KNOWN = {
    "env": {"description", "value", "required", "generator", "sync"},
    "cron": {"command", "maintenance", "schedule", "concurrency_policy"},
    "healthchecks": {
        *("attempts", "command", "content", "httpHeaders", "initialDelay", "listening", "name", "path", "port"),
        *("scheme", "timeout", "type", "uptime", "wait", "warn", "onFailure"),
    },
}


def test_dokku_knows_each_field() -> None:
    assert set(DOKKU) == set(KNOWN)
    entries = {
        "env": list(DOKKU["env"].values()),
        "cron": DOKKU["cron"],
        "healthchecks": [check for _, check in CHECKS],
    }
    assert {
        (part, name) for part in KNOWN for entry in entries[part] for name in entry if name not in KNOWN[part]
    } == set()


def test_scaling_is_left_to_the_operator_and_building_to_the_dockerfile() -> None:
    """A formation with quantities locks `dokku ps:scale`; buildpacks, or one of these files, win over a Dockerfile."""
    assert not {"formation", "buildpacks"} & set(DOKKU)
    assert (ROOT / "Dockerfile").exists()
    assert [name for name in (".buildpacks", "project.toml") if (ROOT / name).exists()] == []


def test_the_line_of_a_process_is_run_as_it_is() -> None:
    """An entrypoint would get the release's and the cron task's commands as its arguments."""
    assert not re.search(r"^ENTRYPOINT", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_it_sets_what_app_json_sets_on_heroku() -> None:
    def given(env: dict[str, Any]) -> dict[str, Any]:
        return {name: entry.get("value") or entry.get("generator") for name, entry in env.items()}

    wanted = given(APP_JSON["env"])
    assert given(DOKKU["env"]) == {name: value for name, value in wanted.items() if value}


def test_no_traffic_goes_to_a_process_that_was_not_looked_at() -> None:
    assert {process for process, _ in CHECKS} == set(LINES) - {"release"}
    assert {check["type"] for _, check in CHECKS} == {"startup"}  # the only kind that its own scheduler runs


@pytest.mark.parametrize(("process", "check"), CHECKS)
def test_a_check_is_of_one_kind(process: str, check: dict[str, Any]) -> None:
    """Dokku refuses any other."""
    assert len({"command", "listening", "path", "uptime"} & set(check)) == 1


def test_web_is_asked_whether_it_can_do_its_work_and_given_time_to_begin(app: Flask) -> None:
    (check,) = DOKKU["healthchecks"]["web"]
    assert set(Client(app).get(f"~{check['path']}").json["checks"]) == {"database", "migrations", "broker"}
    assert check["attempts"] * check["wait"] >= 30  # seconds; the default, three attempts, is less than a slow start


def test_the_daily_task_is_a_command_that_needs_no_shell(app: Flask) -> None:
    (task,) = DOKKU["cron"]
    assert not re.search(r"[;&|<>$`]", task["command"])
    assert re.fullmatch(r"\d+ \d+ \* \* \*", task["schedule"])
    program, *arguments = shlex.split(task["command"])
    assert program == "flask"
    assert app.test_cli_runner().invoke(args=arguments).exit_code == 0
