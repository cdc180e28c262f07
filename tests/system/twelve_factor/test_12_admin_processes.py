"""Factor XII, admin processes: one-offs of the same release and configuration as what runs, beside it.

Each is a command that ends with an exit code. A formation runs meanwhile, and what they do is at once true for it. What
each of them does in every case: `tests/users/test_create_admin.py`, `tests/jobs/test_retry.py`,
`tests/jobs/test_prune.py`, `tests/health/test_doctor.py`.

Seen failing: with `take_turn` left out, and SQLite's transactions begun late, at the second upgrade, on each database;
with a refusal only printed, at the exit code; without a prompt, at the terminal; without the commit, at the job that is
put back and at the session that is pruned; with heartbeats of any age, at the worker that was killed.
"""

import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from app.core.urls import database_url
from tests.support.clients import PASSWORD
from tests.support.environment import ROOT, Variables, free_port, service_variables, wait_for
from tests.support.services import DATABASES, new_database
from tests.system.faults.processes import deploy
from tests.system.formation import Formation, HttpClient
from tests.system.twelve_factor.one_offs import at_terminal, one_off

pytestmark = pytest.mark.timeout(300)

ADD_A_FAILED_JOB = """
from app.core.database.session import commit
from app.jobs import service
from app.users.models import User
owner = db.session.scalar(db.select(User).where(User.email == "ada@example.org"))
job = service.enqueue(owner.id, "books.import", b"title,author,isbn\\nEmma,Jane Austen,9780141439587\\n")
job.status, job.wake_at = "failed", None
commit()
print("job", job.id)
"""
AGE_SESSIONS = """
from datetime import timedelta
from app.auth.models import Session
from app.core.database import utcnow
from app.core.database.session import commit
for session in db.session.scalars(db.select(Session)): session.expires_at = utcnow() - timedelta(seconds=1)

commit()
"""
AGE_WORKERS = """
from datetime import timedelta
from app.core.database import utcnow
from app.jobs.workers import Heartbeat
from app.core.database.session import commit
for worker in db.session.scalars(db.select(Heartbeat)): worker.seen_at = utcnow() - timedelta(seconds=30)

commit()
"""
SLOW_MIGRATION = '''"""Slow."""

import time

import sqlalchemy as sa
from alembic import op

revision = "slow"
down_revision = "{head}"


def upgrade() -> None:
    op.create_table("slow", sa.Column("id", sa.Integer(), primary_key=True))
    time.sleep(2)


def downgrade() -> None:
    op.drop_table("slow")
'''


@pytest.fixture(scope="module")
def formation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formation]:
    """Web and worker, which run while the tests of this module do."""
    folder = tmp_path_factory.mktemp("formation")
    urls = (f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/mq.db")
    with Formation(*urls, folder, WEB_CONCURRENCY=1, WORKER_CONCURRENCY=1) as formation:
        yield formation


def role(formation: Formation, email: str, password: str) -> str:
    """What somebody is who logs in."""
    client = HttpClient(formation.url)
    tokens = client.post("/auth/login", json={"email": email, "password": password}).json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return str(client.get("/users/me").json()["role"])


def test_an_administrator_is_made_from_a_pipe_or_at_a_prompt_and_logs_in_at_once(formation: Formation) -> None:
    command = ["flask", "users", "create-admin"]
    created = one_off(formation.variables, *command, "grace@example.org", typed=f"{PASSWORD}\n")
    assert created == (0, "Created administrator grace@example.org.\n")
    assert role(formation, "grace@example.org", PASSWORD) == "admin"
    again = one_off(formation.variables, *command, "grace@example.org", typed=f"{PASSWORD}\n")
    assert again == (1, "Error: This email already has an account.\n")

    answers = {"Password: ": f"{PASSWORD}!", "Repeat for confirmation: ": f"{PASSWORD}!"}
    code, shown = at_terminal(formation.variables, *command, "joan@example.org", answers=answers)
    assert code == 0, shown
    assert shown.endswith("Created administrator joan@example.org.\n")
    assert PASSWORD not in shown
    assert role(formation, "joan@example.org", f"{PASSWORD}!") == "admin"


def test_a_failed_job_that_is_put_back_is_done_by_the_worker_that_runs(formation: Formation) -> None:
    """It is made in a shell, which a script may be piped to as well."""
    ada = formation.user()
    code, shown = one_off(formation.variables, "flask", "shell", typed=ADD_A_FAILED_JOB)
    assert code == 0, shown
    job = shown.rpartition("job ")[2].split()[0]
    assert ada.get(f"/jobs/{job}").json()["status"] == "failed"

    retried = one_off(formation.variables, "flask", "jobs", "retry", job)
    assert retried == (0, f"Job {job} is back in the queue.\n")
    ended = ada.finished(f"/jobs/{job}")
    assert (ended["status"], ended["result"]["created"]) == ("succeeded", 1)
    again = one_off(formation.variables, "flask", "jobs", "retry", job)
    assert again == (1, "Error: Only a failed job can be retried: it is succeeded.\n")


def test_what_has_expired_is_pruned_while_others_log_in(formation: Formation) -> None:
    formation.user("barbara@example.org")
    assert one_off(formation.variables, "flask", "shell", typed=AGE_SESSIONS)[0] == 0
    pruned = [one_off(formation.variables, "flask", "prune") for _ in range(2)]
    assert [code for code, _ in pruned] == [0, 0]
    assert ["\n0 expired sessions\n" in f"\n{said}" for _, said in pruned] == [False, True]
    assert role(formation, "barbara@example.org", PASSWORD) == "user"
    elsewhere = formation.variables | {"DATABASE_URL": f"postgresql://ada@127.0.0.1:{free_port()}/none"}
    assert one_off(elsewhere, "flask", "prune")[0] == 1


def test_commands_tell_by_their_exit_code_whether_they_did_what_they_should(formation: Formation) -> None:
    no_broker = {"BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    wait_for("the worker was seen", lambda: one_off(formation.variables, "flask", "doctor")[0] == 0)
    assert one_off(formation.variables | no_broker, "flask", "doctor")[0] == 1
    assert one_off(formation.variables, "flask", "db", "upgrade")[0] == 0
    assert one_off(formation.variables, "flask", "db", "upgrade", "nowhere")[0] == 1
    assert one_off(formation.variables, "flask", "shell", typed="raise SystemExit(3)")[0] == 3
    assert formation.ready()


@pytest.mark.parametrize("database", DATABASES)
def test_of_two_upgrades_at_once_one_applies_and_both_are_content(database: str, tmp_path: Path) -> None:
    """From an empty database: every migration is there to be fought for, and the last one takes its time."""
    migrations = Path(shutil.copytree(ROOT / "migrations", tmp_path / "migrations"))
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / "slow.py").write_text(SLOW_MIGRATION.format(head=head))
    with new_database(database, tmp_path) as url, ThreadPoolExecutor(2) as at_once:
        variables = service_variables(url, f"sqla+sqlite:///{tmp_path}/mq.db")
        upgrade = ["flask", "db", "upgrade", "--directory", str(migrations)]
        ends = list(at_once.map(lambda _: one_off(variables, *upgrade), range(2)))
        engine = create_engine(database_url(url))
        tables = inspect(engine).get_table_names()
        engine.dispose()
    assert [code for code, _ in ends] == [0, 0], ends
    assert sorted(f"{head} -> slow" in said for _, said in ends) == [False, True]
    assert "slow" in tables


def test_the_doctor_sees_the_worker_that_lives_and_not_the_one_that_was_killed(tmp_path: Path) -> None:
    """Old heartbeats stand for twenty seconds of silence; a worker that lives makes itself heard again."""
    urls = (f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db")
    with deploy(*urls, tmp_path) as deployed:

        def seen(variables: Variables = deployed.variables) -> bool:
            code, said = one_off(variables, "flask", "doctor")
            assert code == ("FAIL  worker" in said), said
            return code == 0

        worker = deployed.worker()
        wait_for("the worker is seen", seen)
        other = deployed.worker()
        wait_for("each is seen", lambda: "  2 live, " in one_off(deployed.variables, "flask", "doctor")[1])
        other.kill()
        assert one_off(deployed.variables, "flask", "shell", typed=AGE_WORKERS)[0] == 0
        wait_for("the worker is seen again", seen)
        worker.send(signal.SIGKILL)
        worker.wait()
        assert one_off(deployed.variables, "flask", "shell", typed=AGE_WORKERS)[0] == 0
        assert not seen()
