"""Factor III, config: what varies between deploys is in the environment, and so the tree could be published as it is.

One class reads the environment, and what tells of its variables agrees with it. That an optional variable has its
default, that all faults are told at once and that no value is shown: `tests/core/test_settings.py` and
`tests/core/test_consistency.py`; here every process is asked.

Seen failing: with a key in a module, at the tree; with another port in the README's table, at the defaults; with a
variable more, or the generator less, in app.json, at what it names; with a module that reads a variable by itself, at
who reads; with the error of pydantic let through, at what the processes say.
"""

import ast
import re
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from app.core.settings import PLACEHOLDERS, Settings
from tests.core.test_consistency import DEFAULTS, SHOWN, has_default, readme_table
from tests.support.environment import ROOT, service_variables
from tests.system.formation import LINES
from tests.system.shipping.dynos import APP_JSON
from tests.system.twelve_factor.one_offs import one_off
from tests.system.twelve_factor.published import Secret, ever_added, secrets_in, tracked

# What looks like a secret, and is none.
HARMLESS = re.compile(
    "|".join(
        [
            r"guest|hunter.*|horse hunter2|password|pw|p%40w",  # passwords of nobody, in examples and tests
            rf"(?i:.*({'|'.join(PLACEHOLDERS)}).*)",  # what Settings refuses
            r"8f2b6d1a9c3e7045f1d2c3b4a596877.?|[0-9a-f]*01234567[0-9a-f]*",  # made up: for Settings, and as ids
            r"eyJ[\w-]+\.eyJ[\w-]+\.",  # a token without a signature
            r"[a-z]+( [a-z]+)+( hunter2)?|(host:port|POST /users)\S*|quote\\\\",  # prose, and other text
        ]
    )
)
READERS = {"environ", "environb", "getenv", "getenvb", "load_dotenv", "dotenv_values"}
READERS |= {"from_prefixed_env", "from_envvar", "BaseSettings"}  # Flask's, and whoever would be a second Settings
OF_A_REQUEST = {"self.environ"}  # WSGI's


def leaked(texts: dict[str, str], folder: Path) -> list[Secret]:
    return [secret for secret in secrets_in(texts, folder) if not HARMLESS.fullmatch(secret.value)]


def gone(tree: Path) -> dict[str, str]:
    """What the history holds, and the tree does not."""
    kept = {path: set(text.splitlines()) for path, text in tracked(tree).items()}
    added = {path: text.splitlines() for path, text in ever_added(tree).items()}
    return {path: "\n".join(line for line in lines if line not in kept.get(path, ())) for path, lines in added.items()}


def test_the_tree_holds_no_secret(tmp_path: Path) -> None:
    assert leaked(tracked(ROOT), tmp_path) == []


def test_the_history_holds_no_secret(tmp_path: Path) -> None:
    assert leaked(gone(ROOT), tmp_path) == []


def test_a_secret_would_be_found_in_the_tree_and_after_its_removal_in_the_history(tmp_path: Path) -> None:
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
    commit(tree, dict.fromkeys(files, "nothing\n"), f"Forget {hidden}")
    assert leaked(tracked(tree), scratch) == []
    assert {(secret.path, secret.value) for secret in leaked(gone(tree), scratch)} == planted | {("(messages)", hidden)}


def commit(tree: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tree / name).write_text(text)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "--message", message]):
        subprocess.run(["git", *arguments], cwd=tree, check=True)


def test_settings_the_example_and_the_readme_name_the_same_variables_with_the_same_defaults() -> None:
    read = {name.upper() for name in Settings.model_fields} - {"RELEASE"}  # that one is the platform's to name
    told = {row[0].strip("`"): row[-1].strip("`") for row in readme_table()}
    assert read == set(SHOWN) == set(told)
    with_default = {name: str(DEFAULTS[name]) for name in read if has_default(name)}
    assert {name: told[name] for name in with_default} == with_default
    assert {name: SHOWN[name] for name in with_default if name != "LOG_FORMAT"} == {
        name: default for name, default in with_default.items() if name != "LOG_FORMAT"
    }  # for people, the example chooses the console


def test_app_json_names_only_those_variables_and_all_that_are_required() -> None:
    """What is attached to an add-on is named by it; `tests/system/shipping/test_app_json.py` looks at the rest."""
    attached = {f"{addon['as']}_URL" for addon in APP_JSON["addons"]}
    generated = {name for name, entry in APP_JSON["env"].items() if entry.get("generator") == "secret"}
    assert set(APP_JSON["env"]) | attached <= set(SHOWN)
    assert attached | generated == {name for name, default in DEFAULTS.items() if default is PydanticUndefined}


def test_only_settings_read_the_environment() -> None:
    """Celery is told its broker by a variable, so one other module writes; none reads."""
    sources = [*(ROOT / "app").rglob("*.py"), *(ROOT / "migrations").rglob("*.py"), ROOT / "gunicorn.conf.py"]
    found = {f"{path.relative_to(ROOT)}: {use}" for path in sources for use in uses_of_the_environment(path)}
    assert found == {"app/core/celery.py: os.environ['CELERY_BROKER_URL'] = ", "app/core/settings.py: BaseSettings"}


def uses_of_the_environment(path: Path) -> list[str]:
    """Each use of the process's environment, or of a file that stands for it."""
    module = ast.parse(path.read_text())
    written = [node for node in ast.walk(module) if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)]
    uses = [f"{ast.unparse(node)} = " for node in written if ast.unparse(node.value) == "os.environ"]
    innocent = {id(node.value) for node in written}
    for node in ast.walk(module):
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Attribute) and id(node) not in innocent and ast.unparse(node) not in OF_A_REQUEST:
            names = [node.attr]  # whatever the module is called here
        uses += [name for name in names if name in READERS]
    return uses


@pytest.mark.timeout(180)
def test_every_process_says_the_same_of_a_bad_configuration_and_does_nothing(tmp_path: Path) -> None:
    """All that is wrong, by name, and no value: it may be a secret at the wrong place."""
    wrong = {
        "DATABASE_URL": f"postgresql://hunter2:hunter2@127.0.0.1:hunter2/{tmp_path.name}",
        "SECRET_KEY": "hunter2",
        "WEB_THREADS": "hunter2",
        "LOG_FORMAT": "hunter2",
        "FLASK_SKIP_DOTENV": "1",
    }
    commands = [*LINES.values(), "flask shell", "flask users create-admin ada@example.org"]
    with ThreadPoolExecutor(2) as at_once:
        ends = list(at_once.map(lambda command: one_off(wrong, *command.split()), commands))
    assert [code for code, _ in ends] == [1] * len(commands)
    messages = {said for _, said in ends}
    assert len(messages) == 1, messages
    message = messages.pop()
    first, *faults, last = message.splitlines()
    assert (first, last) == (
        "The configuration is not usable, so nothing was started:",
        "See .env.example for every variable.",
    )
    named = [fault.split()[0] for fault in faults]
    assert named == ["DATABASE_URL", "BROKER_URL", "SECRET_KEY", "WEB_THREADS", "LOG_FORMAT"]
    assert "hunter2" not in message


def test_the_variable_that_gunicorn_reads_by_itself_is_refused_before_it_does(tmp_path: Path) -> None:
    """gunicorn ends with a traceback of its own, before our configuration is read; no release comes so far."""
    variables = service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db")
    code, said = one_off(variables | {"WEB_CONCURRENCY": "hunter2"}, *LINES["release"].split())
    assert code == 1
    assert "  WEB_CONCURRENCY should be a valid integer" in said
    assert "hunter2" not in said
    assert one_off(variables | {"WEB_CONCURRENCY": "hunter2"}, *LINES["web"].split())[0] == 1
