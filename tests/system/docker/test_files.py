"""The Dockerfile and compose.yaml agree with the other files of the tree, and contain no secret.

Seen failing: with FROM python:3.12, with an EXPOSE, with another option in CMD or in the worker's command, without
SMTP_URL among the variables, with a password in place of one that is read from a file, with port 8000 on all addresses,
without a memory limit, with a shorter grace period, with `restart` misspelt, and with a `cd` that hadolint does not
like.
"""

import json
import re
import shlex
import subprocess
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.core.settings import Settings
from tests.support.environment import BIN, ROOT
from tests.system.harness.deploy import PROCFILE

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = ("web", "worker", "release")
IN_THE_VOLUME = {"DATABASE_URL", "BROKER_URL", "SECRET_KEY"}  # contain secrets that the first start generates
NOT_CONFIGURED = {"HONCHO_PROCESS_NAME", "PORT", "RELEASE"}  # fixed in the image, or set by honcho


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "Dockerfile"],
        # The stand-ins are built for one run, with the versions that Debian has.
        ["hadolint", "--ignore", "DL3008", *(str(path) for path in (ROOT / ".ci/docker").rglob("Dockerfile"))],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ],
    ids=["Dockerfile", "stand-ins", "compose.yaml"],
)
def test_a_linter_finds_nothing(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_has_the_python_version_of_the_other_platforms() -> None:
    wanted = (ROOT / ".python-version").read_text().strip()
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(base.startswith(f"python:{wanted}-") for base in bases)
    assert set(re.findall(r"/usr/local/lib/python([\d.]+)", DOCKERFILE)) == {wanted}


def test_the_dockerfile_fetches_no_frontend_and_publishes_no_port() -> None:
    assert not re.search(r"^# *syntax|^EXPOSE|^HEALTHCHECK", DOCKERFILE, re.MULTILINE | re.IGNORECASE)


def test_the_commands_are_those_of_the_procfile() -> None:
    default = json.loads(re.findall(r"^CMD (.*)", DOCKERFILE, re.MULTILINE)[-1])
    assert shlex.join(default) == PROCFILE["web"]
    assert {name: shlex.join(SERVICES[name]["command"]) for name in OWN} == PROCFILE


@pytest.mark.parametrize("name", OWN)
def test_each_variable_is_passed_through_and_none_is_set(name: str) -> None:
    known = {variable.upper() for variable in Settings.model_fields} - IN_THE_VOLUME - NOT_CONFIGURED
    assert set(SERVICES[name]["environment"]) == known  # without values


def test_no_file_contains_a_secret() -> None:
    values = {name: value for name in ("database", "broker") for name, value in SERVICES[name]["environment"].items()}
    assert all(
        not re.search("PASS|SECRET|KEY", name) or value.startswith("/secrets/") for name, value in values.items()
    )
    script = "\n".join(COMPOSE["x-app"]["entrypoint"] + SERVICES["broker"]["entrypoint"])
    passwords = re.findall(r"://[^:/]+:([^@]+)@", script)
    assert passwords == ["$$(cat /secrets/database-password)", "$$(cat /secrets/broker-password)"]
    written = re.findall(r'(?:SECRET_KEY|_PASS)="(.*?)"(?:\s|$)', script, re.MULTILINE)
    assert written == ["$$(cat /secrets/secret-key)", "$$(cat /secrets/broker-password)"]


@pytest.mark.parametrize("name", ["web", "database", "broker"])
def test_a_service_has_a_health_check_and_the_release_waits_for_it(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    if name != "web":
        assert SERVICES["release"]["depends_on"][name] == {"condition": "service_healthy"}


def test_only_web_is_published_and_by_default_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["${PUBLISH:-127.0.0.1:8000}:5000"]}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name in (*OWN, "secrets"):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_web_and_worker_wait_for_the_release_and_have_time_to_stop(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {"release": {"condition": "service_completed_successfully"}}
    assert SERVICES[name]["stop_grace_period"] == "30s"
    assert SERVICES[name]["restart"] == "unless-stopped"
