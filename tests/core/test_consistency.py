"""Files that repeat the same facts agree."""

import re
import secrets

import pytest
from pydantic_core import PydanticUndefined

from app.core.settings import InvalidSettings, Settings, load_settings
from tests.support.environment import ROOT

# The documented variables. The platform's names of the release are not among them: users do not set them.
VARIABLES = {
    "DATABASE_URL",
    "BROKER_URL",
    "SECRET_KEY",
    "PORT",
    "WEB_CONCURRENCY",
    "WEB_THREADS",
    "WORKER_CONCURRENCY",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "CORS_ORIGINS",
    "PROXY_HOPS",
    "MAX_UPLOAD_BYTES",
}
DEFAULTS = {name.upper(): field.default for name, field in Settings.model_fields.items() if name.upper() in VARIABLES}
EXAMPLE = (ROOT / ".env.example").read_text().splitlines()
LINE = re.compile(r"(#?)([A-Z_]+)=(.*)")
SHOWN = {found[2]: found[3] for line in EXAMPLE if (found := LINE.fullmatch(line))}
ACTIVE = {found[2]: found[3] for line in EXAMPLE if (found := LINE.fullmatch(line)) and not found[1]}


def has_default(name: str) -> bool:
    """Whether a variable has a default with a textual form."""
    return DEFAULTS[name] not in (PydanticUndefined, None, ())


def readme_table() -> list[list[str]]:
    """The rows of the README's table of variables."""
    section = re.search(
        r"^## Configuration\n(.*?)(?=^## |\Z)", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert section
    rows = [line.strip("| ").split(" | ") for line in section[1].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def test_settings_read_exactly_the_documented_variables() -> None:
    assert {name.upper() for name in Settings.model_fields} - {"HONCHO_PROCESS_NAME", "RELEASE"} == VARIABLES


def test_the_example_shows_each_variable_once() -> None:
    names = [found[2] for line in EXAMPLE if (found := LINE.fullmatch(line))]
    assert sorted(names) == sorted(VARIABLES)


def test_each_variable_of_the_example_has_a_comment_above_it() -> None:
    explained = False
    for line in EXAMPLE:
        if found := LINE.fullmatch(line):
            assert explained, found[2]
        else:
            explained = bool(line) and (explained or re.match(r"# \w", line) is not None)


@pytest.mark.parametrize("name", sorted(name for name in VARIABLES - {"LOG_FORMAT"} if has_default(name)))
def test_defaults_in_the_example_are_correct(name: str) -> None:
    assert SHOWN[name] == str(DEFAULTS[name])


def test_the_example_sets_only_what_a_fresh_clone_needs() -> None:
    assert ACTIVE == {
        "DATABASE_URL": "sqlite:///var/barah.db",
        "BROKER_URL": "sqla+sqlite:///var/broker.db",
        "SECRET_KEY": "change-me",
        "LOG_FORMAT": "console",
    }


def test_every_value_of_the_example_except_the_secret_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SHOWN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=r"\A.*\n  SECRET_KEY is a placeholder.*\n.*\Z"):
        load_settings()
    monkeypatch.setenv("SECRET_KEY", secrets.token_hex(32))
    assert load_settings().log_format == SHOWN["LOG_FORMAT"]


def test_values_of_the_example_are_portable_between_env_file_readers() -> None:
    assert [line for line in EXAMPLE if LINE.fullmatch(line) and re.search(r"[\s'\"$`\\]|=.*#", line)] == []


def test_bin_setup_knows_the_placeholder_of_the_example() -> None:
    assert f"SECRET_KEY={ACTIVE['SECRET_KEY']}" in EXAMPLE
    assert "/${line}change-me/" in (ROOT / "bin" / "setup").read_text()


def test_the_readme_lists_exactly_the_variables() -> None:
    names = [re.fullmatch(r"`([A-Z_]+)`", row[0]) for row in readme_table()]
    assert sorted(name[1] if name else "no name" for name in names) == sorted(VARIABLES)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_defaults_in_the_readme_are_correct(name: str) -> None:
    (default,) = [row[-1].replace("`", "") for row in readme_table() if row[0] == f"`{name}`"]
    if has_default(name):
        assert default == str(DEFAULTS[name])
    else:
        assert (default == "required") == (DEFAULTS[name] is PydanticUndefined)


def test_runtime_txt_and_python_version_agree() -> None:
    """Heroku's classic buildpack reads runtime.txt; pyenv, uv and bin/setup read .python-version."""
    runtime = (ROOT / "runtime.txt").read_text()
    assert re.fullmatch(r"python-3\.\d+(\.\d+)?\n", runtime)
    assert runtime == f"python-{(ROOT / '.python-version').read_text()}"
