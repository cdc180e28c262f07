"""Factor I, codebase: one tree, many deploys.

Deploys differ in their configuration only. Two run side by side from one checkout, each with its own services and
secret, and share nothing. The tree names no environment. (A shared broker would not be noticed here: a message at the
wrong worker has no effect.)

Seen failing: with a database URL in the code, at the login (200); with a signing key in the code, at the signatures;
with a release id in the code, at the log; with a branch on `APP_ENV`, at the names in the code and at the
configuration.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import jwt
import pytest

from app import create_app
from tests.support.environment import ROOT, service_variables
from tests.support.factories import PASSWORD
from tests.support.services import new_broker, new_database
from tests.system.harness.books import JOURNEY, JOURNEY_FILE, run_journey
from tests.system.harness.deploy import Formation, tracked_files
from tests.system.harness.process import HttpClient

ALGORITHM = "HS256"
ENVIRONMENT = re.compile(
    r"(?i)(?<![a-z])(production|prod|staging|development|(?<!/)dev|(app|flask|deploy|rails|node)_env)(?![a-z])"
)


@pytest.fixture
def formations(database: str, broker: str, tmp_path: Path) -> Iterator[list[Formation]]:
    """Two running formations of this tree, each with its own services and secret."""
    with ExitStack() as stack:
        pair = []
        for release in ("v71", "v82"):
            folder = tmp_path / release
            folder.mkdir()
            database_url = stack.enter_context(new_database(database, folder))
            broker_url = stack.enter_context(new_broker(broker, folder))
            formation = Formation(database_url, broker_url, folder, HEROKU_RELEASE_VERSION=release)
            formation.start()
            stack.callback(formation.kill)
            pair.append(formation)
        for formation in pair:
            formation.wait_until_ready()
        yield pair


@pytest.mark.parametrize(("database", "broker"), [("sqlite", "embedded"), ("postgresql", "redis")])
def test_two_deploys_run_side_by_side_from_one_checkout_and_share_nothing(formations: list[Formation]) -> None:
    one, two = formations
    ada = run_journey(one)

    account = {"email": "ada@example.org", "password": PASSWORD}
    assert HttpClient(two.url).post("/auth/login", json=account).status_code == 401
    other = two.sign_up(account["email"])
    ids = [client.get("/users/me").json()["id"] for client in (ada, other)]
    assert ids == [1, 1]  # the second user would own what the first has in a shared database
    assert [other.get(f"/{things}").json()["items"] for things in ("books", "jobs")] == [[], []]

    for signer, status in ((one, 401), (two, 200)):
        other.headers["Authorization"] = f"Bearer {signed_by(signer, other)}"
        assert other.get("/users/me").status_code == status

    job = other.wait_for_job(other.import_csv(JOURNEY_FILE))
    assert (job["id"], job["attempts"], job["result"]["created"]) == (1, 1, len(JOURNEY.books))
    for formation in formations:
        logged = {(event["process_type"], event["service"]["version"]) for event in formation.events()}
        release = str(formation.variables["HEROKU_RELEASE_VERSION"])
        assert logged == {("web", release), ("worker", release), ("release", release)}
        assert formation.log().count("books.import started") == 1


def signed_by(formation: Formation, client: HttpClient) -> str:
    """The client's token, signed with the secret of a formation."""
    claims = jwt.decode(client.token, options={"verify_signature": False})
    return jwt.encode(claims, str(formation.variables["SECRET_KEY"]), ALGORITHM)


def test_no_file_of_the_tree_names_an_environment() -> None:
    """Neither in its name nor in its code. Comments, documentation and tests may."""
    named = [name for name in tree() if ENVIRONMENT.search(name)]
    named += [f"{name}: {found[0]}" for name in tree() for found in [ENVIRONMENT.search(code(name))] if found]
    assert named == []


@pytest.mark.parametrize("value", ["production", "staging", "development", "test"])
def test_variables_that_name_an_environment_change_nothing(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, given in service_variables(f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db").items():
        monkeypatch.setenv(name, str(given))
    before = create_app()
    for name in ("APP_ENV", "ENV", "ENVIRONMENT", "FLASK_ENV", "DEPLOY_ENV", "STAGE"):
        monkeypatch.setenv(name, value)
    after = create_app()
    assert after.config == before.config
    assert after.extensions["settings"] == before.extensions["settings"]
    assert [str(rule) for rule in after.url_map.iter_rules()] == [str(rule) for rule in before.url_map.iter_rules()]


def tree() -> list[str]:
    """The files that git tracks or would add, without tests, documentation and locks."""
    prose = re.compile(r"(tests|docs)/.*|.*\.md|LICENSE|requirements.*")
    return [name for name in tracked_files() if not prose.fullmatch(name)]


def code(name: str) -> str:
    """The content of a file without comments and docstrings."""
    text = (ROOT / name).read_text(errors="replace")
    if not name.endswith(".py"):
        return re.sub(r"(?m)(^|\s)#.*", "", text)
    kept, before = [], tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        begins = before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
        if token.type != tokenize.COMMENT and not (token.type == tokenize.STRING and begins):
            kept.append(token.string)
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type
    return "\n".join(kept)
