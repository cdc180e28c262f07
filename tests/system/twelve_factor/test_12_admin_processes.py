"""Factor XII, admin processes: one-off commands with the release and configuration of the running processes.

Each command ends with an exit code, and changes take effect at once in the formation that runs at the same time. All
cases of each command: `tests/users/test_create_admin.py`, `tests/jobs/test_retry.py`, `tests/jobs/test_prune.py`,
`tests/health/test_doctor.py`.

Seen failing: without the migration lock, and with SQLite's transactions begun late, at the second upgrade, on each
database; with a refusal that is only printed, at the exit code; without a prompt, at the terminal; without the commit,
at the retried job and at the pruned session; with heartbeats of any age, at the worker that was killed.
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
from tests.support.environment import ROOT, Variables, free_port, service_variables, wait_for
from tests.support.factories import PASSWORD
from tests.support.services import DATABASES, new_database
from tests.system.harness.deploy import Deploy, Formation
from tests.system.harness.process import run_at_terminal, run_command

pytestmark = pytest.mark.timeout(900)

ADD_A_FAILED_JOB = """
from app.core.database import commit
from app.jobs import service
from app.users.models import User
owner = db.session.scalar(db.select(User).where(User.email == "ada@example.org"))
job = service.enqueue("books.import", owner_id=owner.id, data=b"title,author,isbn\\nEmma,Jane Austen,9780141439587\\n")
job.status, job.wake_at = "failed", None
commit()
print("job", job.id)
"""
AGE_SESSIONS = """
from datetime import timedelta
from app.auth.models import Session
from app.core.database import utcnow
from app.core.database import commit
for session in db.session.scalars(db.select(Session)): session.expires_at = utcnow() - timedelta(seconds=1)

commit()
"""
AGE_WORKERS = """
from datetime import timedelta
from app.core.database import utcnow
from app.jobs.workers import Heartbeat
from app.core.database import commit
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
    """Web and worker, which run during the tests of this module."""
    folder = tmp_path_factory.mktemp("formation")
    urls = (f"sqlite:///{folder}/app.db", f"sqla+sqlite:///{folder}/mq.db")
    with Formation(*urls, folder, WEB_CONCURRENCY=1, WORKER_CONCURRENCY=1) as formation:
        yield formation


def role(formation: Formation, email: str, password: str) -> str:
    """The role of a user who logs in."""
    return str(formation.log_in(email, password).get("/users/me").json()["role"])


def test_an_administrator_is_created_from_a_pipe_or_at_a_prompt_and_can_log_in(formation: Formation) -> None:
    command = ["flask", "users", "create-admin"]
    created = run_command(formation.variables, *command, "grace@example.org", stdin=f"{PASSWORD}\n")
    assert created == (0, "Created administrator grace@example.org.\n")
    assert role(formation, "grace@example.org", PASSWORD) == "admin"
    again = run_command(formation.variables, *command, "grace@example.org", stdin=f"{PASSWORD}\n")
    assert again == (1, "Error: This email already has an account.\n")

    answers = {"Password: ": f"{PASSWORD}!", "Repeat for confirmation: ": f"{PASSWORD}!"}
    code, shown = run_at_terminal(formation.variables, *command, "joan@example.org", answers=answers)
    assert code == 0, shown
    assert shown.endswith("Created administrator joan@example.org.\n")
    assert PASSWORD not in shown
    assert role(formation, "joan@example.org", f"{PASSWORD}!") == "admin"


def test_a_retried_job_is_done_by_the_running_worker(formation: Formation) -> None:
    """The failed job is created by a script that is piped to `flask shell`."""
    ada = formation.sign_up()
    code, shown = run_command(formation.variables, "flask", "shell", stdin=ADD_A_FAILED_JOB)
    assert code == 0, shown
    job = shown.rpartition("job ")[2].split()[0]
    assert ada.get(f"/jobs/{job}").json()["status"] == "failed"

    retried = run_command(formation.variables, "flask", "jobs", "retry", job)
    assert retried == (0, f"Job {job} is back in the queue.\n")
    ended = ada.wait_for_job(f"/jobs/{job}")
    assert (ended["status"], ended["result"]["created"]) == ("succeeded", 1)
    again = run_command(formation.variables, "flask", "jobs", "retry", job)
    assert again == (1, "Error: Only a failed job can be retried: it is succeeded.\n")


def test_expired_sessions_are_pruned_while_users_log_in(formation: Formation) -> None:
    formation.sign_up("barbara@example.org")
    assert run_command(formation.variables, "flask", "shell", stdin=AGE_SESSIONS)[0] == 0
    pruned = [run_command(formation.variables, "flask", "prune") for _ in range(2)]
    assert [code for code, _ in pruned] == [0, 0]
    assert ["\n0 expired sessions\n" in f"\n{output}" for _, output in pruned] == [False, True]
    assert role(formation, "barbara@example.org", PASSWORD) == "user"
    elsewhere = formation.variables | {"DATABASE_URL": f"postgresql://ada@127.0.0.1:{free_port()}/none"}
    assert run_command(elsewhere, "flask", "prune")[0] == 1


def test_exit_codes_report_success_and_failure(formation: Formation) -> None:
    no_broker = {"BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    wait_for("the doctor sees the worker", lambda: run_command(formation.variables, "flask", "doctor")[0] == 0)
    assert run_command(formation.variables | no_broker, "flask", "doctor")[0] == 1
    assert run_command(formation.variables, "flask", "db", "upgrade")[0] == 0
    assert run_command(formation.variables, "flask", "db", "upgrade", "nowhere")[0] == 1
    assert run_command(formation.variables, "flask", "shell", stdin="raise SystemExit(3)")[0] == 3
    assert formation.ready()


@pytest.mark.parametrize("database", DATABASES)
def test_of_two_upgrades_at_the_same_time_one_applies_and_both_succeed(database: str, tmp_path: Path) -> None:
    """The database is empty, and the last migration is slow."""
    migrations = Path(shutil.copytree(ROOT / "migrations", tmp_path / "migrations"))
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / "slow.py").write_text(SLOW_MIGRATION.format(head=head))
    with new_database(database, tmp_path) as url, ThreadPoolExecutor(2) as threads:
        variables = service_variables(url, f"sqla+sqlite:///{tmp_path}/mq.db")
        upgrade = ["flask", "db", "upgrade", "--directory", str(migrations)]
        ends = list(threads.map(lambda _: run_command(variables, *upgrade), range(2)))
        engine = create_engine(database_url(url))
        tables = inspect(engine).get_table_names()
        engine.dispose()
    assert [code for code, _ in ends] == [0, 0], ends
    assert sorted(f"{head} -> slow" in output for _, output in ends) == [False, True]
    assert "slow" in tables


def test_the_doctor_sees_a_running_worker_and_not_a_killed_one(tmp_path: Path) -> None:
    """Old heartbeats replace twenty seconds of waiting. A running worker sends a new one."""
    urls = (f"sqlite:///{tmp_path}/app.db", f"sqla+sqlite:///{tmp_path}/mq.db")
    with Deploy(*urls, tmp_path) as deploy:

        def seen(variables: Variables = deploy.variables) -> bool:
            code, report = run_command(variables, "flask", "doctor")
            assert code == ("FAIL  worker" in report), report
            return code == 0

        worker = deploy.worker()
        wait_for("the worker is seen", seen)
        other = deploy.worker()
        wait_for("both workers are seen", lambda: "  2 live, " in run_command(deploy.variables, "flask", "doctor")[1])
        other.kill()
        assert run_command(deploy.variables, "flask", "shell", stdin=AGE_WORKERS)[0] == 0
        wait_for("the worker is seen again", seen)
        worker.send(signal.SIGKILL)
        worker.wait()
        assert run_command(deploy.variables, "flask", "shell", stdin=AGE_WORKERS)[0] == 0
        assert not seen()
