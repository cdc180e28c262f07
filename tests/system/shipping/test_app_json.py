"""app.json, which Heroku's button, review apps and CI read: it is valid, and runs the app without asking for values.

Seen failing, each in the test of that name: the schema with a `cron`; a broker attached as REDIS, no generator for the
secret, a misspelt variable, a variable without a value, two proxies, no worker, an unknown success_url, another test
script or variable, no buildpack for CI, a `uv.lock`, buildpacks at the top level, a template in the button.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.core.settings import Settings
from tests.support import services
from tests.support.clients import Client
from tests.support.environment import BIN, ROOT
from tests.support.services import skip_or_fail
from tests.system.harness.deploy import PROCFILE
from tests.system.harness.deploy.dynos import APP_JSON

SCHEMA = "@heroku/mcp-server@1.0.7"  # Heroku publishes the schema in this package
VARIABLES = {name.upper(): field.is_required() for name, field in Settings.model_fields.items()}
ENV: dict[str, dict[str, Any]] = APP_JSON["env"]
TEST: dict[str, Any] = APP_JSON["environments"]["test"]


def test_it_is_valid_by_the_schema_of_heroku(tmp_path: Path) -> None:
    if not shutil.which("npm"):
        skip_or_fail("npm is not installed")
    pack = ["npm", "pack", "--silent", "--fetch-retries=0", "--fetch-timeout=20000", SCHEMA]
    packed = subprocess.run(pack, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    if packed.returncode != 0:
        skip_or_fail(f"npm cannot fetch {SCHEMA}: {packed.stderr[-500:]}")
    shutil.unpack_archive(tmp_path / packed.stdout.strip(), tmp_path, filter="data")
    schema = tmp_path / "package/dist/utils/app-json.schema.json"
    command = [str(BIN / "check-jsonschema"), "--schemafile", str(schema), str(ROOT / "app.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_add_ons_and_generators_set_all_required_variables() -> None:
    """The name of an attachment is the prefix of its variable."""
    attached = {f"{addon['as']}_URL" for addon in APP_JSON["addons"]}
    given = {name for name, entry in ENV.items() if "value" in entry or "generator" in entry}
    assert attached == {"DATABASE_URL", "BROKER_URL"}
    assert {name for name, required in VARIABLES.items() if required} <= attached | given


def test_it_sets_known_variables_and_asks_for_none() -> None:
    """Dokku refuses a push if a required variable has no value."""
    assert set(ENV) <= set(VARIABLES)
    assert all("value" in entry or "generator" in entry or entry["required"] is False for entry in ENV.values())


def test_the_router_is_the_only_trusted_proxy() -> None:
    assert ENV["PROXY_HOPS"]["value"] == "1"


@pytest.mark.parametrize("formation", [APP_JSON["formation"], APP_JSON["environments"]["review"]["formation"]])
def test_every_long_running_process_has_a_dyno(formation: dict[str, dict[str, Any]]) -> None:
    assert set(formation) == set(PROCFILE) - {"release"}
    assert all(process["quantity"] >= 1 for process in formation.values())


def test_the_button_leads_to_an_existing_page(app: Flask) -> None:
    assert Client(app).get(f"~{APP_JSON['success_url']}").status_code == 200


def test_heroku_ci_runs_bin_test_on_the_services_of_its_dyno() -> None:
    """In-dyno add-ons bring their own buildpacks, so the buildpack of the language must be named, too."""
    *variables, command = TEST["scripts"]["test"].removeprefix("env ").split()
    assert command == "bin/test"
    assert (ROOT / command).stat().st_mode & 0o111
    assert dict(variable.split("=") for variable in variables) == {
        "TEST_POSTGRES_URL": "$DATABASE_URL",
        "TEST_REDIS_URL": "$REDIS_URL",
    }
    assert all(variable.split("=")[0] in Path(services.__file__).read_text() for variable in variables)
    assert TEST["addons"] == ["heroku-postgresql:in-dyno", "heroku-redis:in-dyno"]
    assert TEST["buildpacks"] == [{"url": "heroku/python"}]


def test_no_file_confuses_a_builder() -> None:
    """Other tools' locks stop the classic buildpack. With top-level buildpacks, Dokku ignores the Dockerfile."""
    assert [name for name in ("Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock") if (ROOT / name).exists()] == []
    assert "buildpacks" not in APP_JSON


def test_the_button_in_the_readme_works_in_every_copy() -> None:
    """Without a template parameter, Heroku uses the repository that contains the button."""
    readme = (ROOT / "README.md").read_text()
    assert "(https://www.heroku.com/deploy/button.svg)](https://heroku.com/deploy)" in readme
    assert "deploy?template=" not in readme
