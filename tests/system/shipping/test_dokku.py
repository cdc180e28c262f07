"""Dokku: a push builds the Dockerfile, and Dokku reads docs/dokku.json instead of Heroku's app.json.

Seen failing, each in the test of that name: a misspelt `attempts`, a path beside an `uptime`, `/healthz`, too few
attempts, a liveness check, no check of the worker, a cron command with `&&` or that does not exist, a quantity, a
`project.toml`, an ENTRYPOINT, other values than on Heroku.
"""

import json
import re
import shlex
from typing import Any

import pytest
from flask import Flask

from tests.support.clients import Client
from tests.support.environment import ROOT
from tests.system.harness.deploy import PROCFILE
from tests.system.harness.deploy.dynos import APP_JSON

DOKKU: dict[str, Any] = json.loads((ROOT / "docs/dokku.json").read_text())
CHECKS = [(process, check) for process, checks in DOKKU["healthchecks"].items() for check in checks]
# The fields of AppJSON in plugins/app-json/appjson.go of Dokku 0.38; Dokku ignores other fields silently.
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
    """A formation with quantities locks `dokku ps:scale`. Buildpacks, or one of these files, override a Dockerfile."""
    assert not {"formation", "buildpacks"} & set(DOKKU)
    assert (ROOT / "Dockerfile").exists()
    assert [name for name in (".buildpacks", "project.toml") if (ROOT / name).exists()] == []


def test_the_image_has_no_entrypoint() -> None:
    """An entrypoint would get the commands of the release and of the cron task as arguments."""
    assert not re.search(r"^ENTRYPOINT", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_it_sets_what_app_json_sets_on_heroku() -> None:
    def given(env: dict[str, Any]) -> dict[str, Any]:
        return {name: entry.get("value") or entry.get("generator") for name, entry in env.items()}

    wanted = given(APP_JSON["env"])
    assert given(DOKKU["env"]) == {name: value for name, value in wanted.items() if value}


def test_every_long_running_process_is_checked_at_its_start() -> None:
    assert {process for process, _ in CHECKS} == set(PROCFILE) - {"release"}
    assert {check["type"] for _, check in CHECKS} == {"startup"}  # the only type that Dokku's scheduler runs


@pytest.mark.parametrize(("process", "check"), CHECKS)
def test_a_check_has_one_type(process: str, check: dict[str, Any]) -> None:
    """Dokku refuses all others."""
    assert len({"command", "listening", "path", "uptime"} & set(check)) == 1


def test_the_check_of_web_uses_readiness_and_allows_a_slow_start(app: Flask) -> None:
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
