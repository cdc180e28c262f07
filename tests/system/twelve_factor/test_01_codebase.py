"""Factor I, codebase: one tree, many deploys.

What makes a deploy is its configuration: two of them run side by side from one checkout, each with its own services and
secret, and neither knows of the other. The tree knows no deploy: it names none, and asks for no environment's name.
(Of one broker for both nothing would be seen here: a message at the wrong worker does no harm.)

Seen failing: with a database that the code names, at the other's login (200); with a signing key that it names, at the
signatures; with a release id that it names, at the log's; with a branch on `APP_ENV`, at the names in code, and where
that variable changes nothing.
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
from tests.support.clients import PASSWORD
from tests.support.environment import ROOT, service_variables, wait_for
from tests.support.services import new_broker, new_database
from tests.system.formation import Formation, HttpClient
from tests.system.twelve_factor.journey import EXPECTED, FILE, travel
from tests.system.twelve_factor.trees import shipped

ALGORITHM = "HS256"
ENVIRONMENT = re.compile(
    r"(?i)(?<![a-z])(production|prod|staging|development|(?<!/)dev|(app|flask|deploy|rails|node)_env)(?![a-z])"
)


@pytest.fixture
def formations(database: str, broker: str, tmp_path: Path) -> Iterator[list[Formation]]:
    """Two formations of this very tree, with services and secrets of their own, and ready."""
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
            wait_for("the formation is ready", formation.ready)
        yield pair


@pytest.mark.parametrize(("database", "broker"), [("sqlite", "embedded"), ("postgresql", "redis")])
def test_two_deploys_run_side_by_side_from_one_checkout_and_share_nothing(formations: list[Formation]) -> None:
    one, two = formations
    ada = travel(one)

    account = {"email": "ada@example.org", "password": PASSWORD}
    assert HttpClient(two.url).post("/auth/login", json=account).status_code == 401
    stranger = two.user(account["email"])
    same = [client.get("/users/me").json()["id"] for client in (ada, stranger)]
    assert same == [1, 1]  # so whatever of the other's were there, would be this user's
    assert [stranger.get(f"/{things}").json()["items"] for things in ("books", "jobs")] == [[], []]

    for signer, status in ((one, 401), (two, 200)):
        stranger.headers["Authorization"] = f"Bearer {signed_by(signer, stranger)}"
        assert stranger.get("/users/me").status_code == status

    job = stranger.finished(stranger.import_csv(FILE))
    assert (job["id"], job["attempts"], job["result"]["created"]) == (1, 1, len(EXPECTED.books))
    for formation in formations:
        told = {(event["formation"], event["service"]["version"]) for event in formation.events()}
        release = str(formation.variables["HEROKU_RELEASE_VERSION"])
        assert told == {("web", release), ("worker", release), ("release", release)}
        assert formation.log().count("books.import started") == 1


def signed_by(formation: Formation, client: HttpClient) -> str:
    """The client's token, its claims as they are, with the signature of a formation."""
    token = str(client.headers["Authorization"]).removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, str(formation.variables["SECRET_KEY"]), ALGORITHM)


def test_no_file_of_the_tree_names_an_environment() -> None:
    """Neither in its own name nor in its code; prose may, and so may tests."""
    named = [name for name in tree() if ENVIRONMENT.search(name)]
    named += [f"{name}: {found[0]}" for name in tree() for found in [ENVIRONMENT.search(code(name))] if found]
    assert named == []


@pytest.mark.parametrize("value", ["production", "staging", "development", "test"])
def test_what_other_tools_call_the_environment_changes_nothing(
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
    """What git ships, or would, without tests, prose and locks."""
    prose = re.compile(r"(tests|docs)/.*|.*\.md|LICENSE|requirements.*")
    return [name for name in shipped() if not prose.fullmatch(name)]


def code(name: str) -> str:
    """A file without its comments and docstrings."""
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
