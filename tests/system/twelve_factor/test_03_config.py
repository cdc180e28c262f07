"""Factor III, config: the environment holds what varies between deploys, so the tree contains no secret.

One class reads the environment, and all descriptions of its variables agree with it. `tests/core/test_settings.py` and
`tests/core/test_consistency.py` test the class; here all processes are started.

Seen failing: with a key in a module, at the tree; with another port in the README's table, at the defaults; with one
more variable, or without the generator, in app.json, at its names; with a module that reads a variable, at the readers;
with pydantic's own error, at the messages of the processes.
"""

import ast
import re
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic_core import PydanticUndefined

from app.core.settings import PLACEHOLDERS, Settings
from tests.core.test_consistency import DEFAULTS, SHOWN, has_default, readme_table
from tests.support.environment import ROOT, service_variables
from tests.system.harness.deploy import PROCFILE
from tests.system.harness.deploy.dynos import APP_JSON
from tests.system.harness.process import run_command
from tests.system.twelve_factor.secret_scan import Secret, ever_added, secrets_in, tracked

# What looks like a secret and is not.
HARMLESS = re.compile(
    "|".join(
        [
            r"guest|hunter.*|horse hunter2|password|pw|p%40w",  # passwords in examples and tests
            rf"(?i:.*({'|'.join(PLACEHOLDERS)}).*)",  # refused by Settings
            r"8f2b6d1a9c3e7045f1d2c3b4a596877.?|[0-9a-f]*01234567[0-9a-f]*",  # invented keys and ids
            r"eyJ[\w-]+\.eyJ[\w-]+\.",  # a token without a signature
            r"[a-z]+( [a-z]+)+( hunter2)?|(host:port|POST /users)\S*|quote\\\\",  # prose and other text
        ]
    )
)
READERS = {"environ", "environb", "getenv", "getenvb", "load_dotenv", "dotenv_values"}
READERS |= {"from_prefixed_env", "from_envvar", "BaseSettings"}  # Flask's, and a second Settings
OF_A_REQUEST = {"self.environ", "request.environ"}  # WSGI's


def leaked(texts: dict[str, str], folder: Path) -> list[Secret]:
    return [secret for secret in secrets_in(texts, folder) if not HARMLESS.fullmatch(secret.value)]


def removed(tree: Path) -> dict[str, str]:
    """The lines of the history that the tree does not contain."""
    kept = {path: set(text.splitlines()) for path, text in tracked(tree).items()}
    added = {path: text.splitlines() for path, text in ever_added(tree).items()}
    return {path: "\n".join(line for line in lines if line not in kept.get(path, ())) for path, lines in added.items()}


def test_the_tree_holds_no_secret(tmp_path: Path) -> None:
    assert leaked(tracked(ROOT), tmp_path) == []


def test_the_history_holds_no_secret(tmp_path: Path) -> None:
    assert leaked(removed(ROOT), tmp_path) == []


def test_a_secret_is_found_in_the_tree_and_after_its_removal_in_the_history(tmp_path: Path) -> None:
    key, password, hidden = secrets.token_hex(32), secrets.token_urlsafe(12), f"AKIA{secrets.token_hex(8).upper()}"
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    files = {
        "env.old": f"LOG_LEVEL=INFO\nSECRET_KEY={key}\n",
        "notes.md": f"Try it:\n\n    psql postgresql://barah:{password}@db.example.org/barah\n",
        "mail.py": f'USER = "{hidden}"  # pragma: allowlist secret\n',
    }
    tree.mkdir()
    commit(tree, files, "Begin")
    planted = {("env.old", key), ("notes.md", password), ("mail.py", hidden)}
    assert {(secret.path, secret.value) for secret in leaked(tracked(tree), scratch)} == planted
    commit(tree, dict.fromkeys(files, "nothing\n"), f"Remove {hidden}")
    assert leaked(tracked(tree), scratch) == []
    assert {(secret.path, secret.value) for secret in leaked(removed(tree), scratch)} == planted | {
        ("(messages)", hidden)
    }


def commit(tree: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tree / name).write_text(text)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message", message]):
        subprocess.run(["git", *arguments], cwd=tree, check=True)


def test_settings_the_example_and_the_readme_name_the_same_variables_with_the_same_defaults() -> None:
    set_by_platforms = {"HONCHO_PROCESS_NAME", "RELEASE"}
    read = {name.upper() for name in Settings.model_fields} - set_by_platforms
    documented = {row[0].strip("`"): row[-1].strip("`") for row in readme_table()}
    assert read == set(SHOWN) == set(documented)
    with_default = {name: str(DEFAULTS[name]) for name in read if has_default(name)}
    assert {name: documented[name] for name in with_default} == with_default
    assert {name: SHOWN[name] for name in with_default if name != "LOG_FORMAT"} == {
        name: default for name, default in with_default.items() if name != "LOG_FORMAT"
    }  # the example sets the console format


def test_app_json_names_only_known_variables_and_all_required_ones() -> None:
    """Add-ons set their variables. `tests/system/shipping/test_app_json.py` checks the rest."""
    attached = {f"{addon['as']}_URL" for addon in APP_JSON["addons"]}
    generated = {name for name, entry in APP_JSON["env"].items() if entry.get("generator") == "secret"}
    assert set(APP_JSON["env"]) | attached <= set(SHOWN)
    assert attached | generated == {name for name, default in DEFAULTS.items() if default is PydanticUndefined}


def test_only_settings_read_the_environment() -> None:
    """One other module sets a variable, for Celery. None reads any."""
    sources = [*(ROOT / "app").rglob("*.py"), *(ROOT / "migrations").rglob("*.py"), ROOT / "gunicorn.conf.py"]
    found = {f"{path.relative_to(ROOT)}: {use}" for path in sources for use in uses_of_the_environment(path)}
    assert found == {
        "app/core/broker/worker.py: os.environ['CELERY_BROKER_URL'] = ",
        "app/core/settings.py: BaseSettings",
    }


def uses_of_the_environment(path: Path) -> list[str]:
    """Each use of the environment or of an environment file."""
    module = ast.parse(path.read_text())
    written = [node for node in ast.walk(module) if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)]
    uses = [f"{ast.unparse(node)} = " for node in written if ast.unparse(node.value) == "os.environ"]
    allowed = {id(node.value) for node in written}
    for node in ast.walk(module):
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Attribute) and id(node) not in allowed and ast.unparse(node) not in OF_A_REQUEST:
            names = [node.attr]  # by any name of the module
        uses += [name for name in names if name in READERS]
    return uses


def test_every_process_refuses_an_invalid_configuration_with_the_same_message(tmp_path: Path) -> None:
    """The message names every invalid variable and shows no value: it may be a secret in the wrong variable."""
    wrong = {
        "DATABASE_URL": f"postgresql://hunter2:hunter2@127.0.0.1:hunter2/{tmp_path.name}",
        "SECRET_KEY": "hunter2",
        "WEB_THREADS": "hunter2",
        "LOG_FORMAT": "hunter2",
        "FLASK_SKIP_DOTENV": "1",
    }
    commands = [*PROCFILE.values(), "flask shell", "flask users create-admin ada@example.org"]
    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(lambda command: run_command(wrong, *command.split()), commands))
    assert [code for code, _ in ends] == [1] * len(commands)
    messages = {output for _, output in ends}
    assert len(messages) == 1, messages
    message = messages.pop()
    first, *faults, last = message.splitlines()
    assert (first, last) == (
        "The configuration is invalid, so nothing was started:",
        "See .env.example for every variable.",
    )
    named = [fault.split()[0] for fault in faults]
    assert named == ["DATABASE_URL", "BROKER_URL", "SECRET_KEY", "WEB_THREADS", "LOG_FORMAT"]
    assert "hunter2" not in message


def test_web_and_release_refuse_the_variable_that_gunicorn_reads_itself(tmp_path: Path) -> None:
    """gunicorn would end with a traceback before our configuration is read."""
    variables = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db")
    for name in ("release", "web"):
        code, output = run_command(variables | {"WEB_CONCURRENCY": "hunter2"}, *PROCFILE[name].split())
        assert code == 1
        assert "  WEB_CONCURRENCY should be a valid integer" in output
        assert "hunter2" not in output
