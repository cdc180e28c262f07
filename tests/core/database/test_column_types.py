"""Column types and constraints behave the same on every database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from app.auth.models import Session
from app.core.database import affected_rows, commit, db, flush
from app.core.errors import Conflict
from app.jobs.models import Job, JobInput
from app.users.models import User
from tests.conftest import every_database
from tests.support.clients import Client
from tests.support.factories import PASSWORD, create_note, create_user
from tests.support.notes.models import Note


@every_database
@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 11, 20, 23, 59, 59, 999999, UTC),
        datetime(2026, 11, 20, 12, 0, 0, 1, timezone(timedelta(hours=5, minutes=30))),
        datetime(2026, 1, 1, 0, 30, tzinfo=timezone(-timedelta(hours=8))),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_time_is_stored_to_the_microsecond_and_read_in_utc(context: None, time: datetime) -> None:
    user = create_user()
    db.session.execute(update(User).values(created_at=time))
    read = db.session.scalar(select(User.created_at).where(User.id == user.id))
    assert read == time
    assert read.tzinfo is UTC


@every_database
def test_times_of_different_zones_compare_correctly(context: None) -> None:
    user = create_user()
    noon_in_india = datetime(2026, 11, 20, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    db.session.execute(update(User).values(created_at=noon_in_india))
    earlier = datetime(2026, 11, 20, 6, 29, 59, 999999, UTC)
    assert db.session.scalars(select(User.id).where(User.created_at > earlier)).all() == [user.id]
    assert db.session.scalars(select(User.id).where(User.created_at == noon_in_india.astimezone(UTC))).all()


@every_database
def test_a_time_without_a_zone_is_refused(context: None) -> None:
    create_user()
    with pytest.raises(StatementError, match="a time without a time zone"):
        db.session.execute(update(User).values(created_at=datetime(2026, 11, 20)))  # noqa: DTZ001


@every_database
@pytest.mark.parametrize(
    "title",
    ["📚 Emma 👩🏽‍🚀", "𝔈𝔪𝔪𝔞 𠜎", "Э́мма", "إيما", "a" * 500, "🐉" * 500],
    ids=lambda title: str(title)[:8],
)
def test_any_text_is_stored_unchanged(context: None, title: str) -> None:
    note = create_note(create_user().id, title=title)
    assert db.session.scalar(select(Note.title).where(Note.id == note.id)) == title


@every_database
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@example.org", "ada@example.org"),
        ("ren\u00e9@example.org", "rene@example.org"),
        ("ren\u00e9@example.org", "rene\u0301@example.org"),
        ("ß@example.org", "ss@example.org"),
        (" ada@example.org", "ada@example.org"),
    ],
)
def test_texts_that_differ_in_any_byte_are_different(context: None, one: str, other: str) -> None:
    create_user(one)
    create_user(other)
    assert db.session.scalars(select(User.email).where(User.email == one)).all() == [one]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_a_trailing_space_makes_texts_different(context: None) -> None:
    create_user("ada@example.org")
    create_user("ada@example.org ")  # MariaDB's utf8mb4_bin ignores trailing spaces; see the next test


@pytest.mark.parametrize("email", ["ada@example.org ", "ada@example.org\n", "ada@example.org\u00a0"])
def test_an_email_with_a_trailing_space_is_refused(anonymous: Client, email: str) -> None:
    response = anonymous.post("/auth/signup", json={"email": email, "password": PASSWORD, "name": "Ada"})
    assert response.status_code == 422


@every_database
def test_the_same_text_twice_is_a_conflict(context: None) -> None:
    create_user("ada@example.org")
    db.session.add(User(email="ada@example.org", name="Ada", password_hash=""))
    with pytest.raises(Conflict):
        flush({"uq_users_email": Conflict("taken")})


@every_database
def test_the_id_of_a_deleted_row_is_never_reused(context: None) -> None:
    owner = create_user()
    last = create_note(owner.id).id
    db.session.execute(delete(Note))
    commit()
    assert create_note(owner.id).id > last


@every_database
def test_a_row_without_an_existing_owner_is_refused(context: None) -> None:
    db.session.add(Note(owner_id=2**40, title="Milk", text="Buy two bottles.", code="A-1"))
    with pytest.raises(IntegrityError):
        db.session.flush()


@every_database
def test_deleting_a_user_deletes_everything_the_user_owns(context: None) -> None:
    user = create_user()
    create_note(user.id)
    job = Job(owner_id=user.id, kind="notes.import")
    db.session.add_all([job, Session(id="s", user_id=user.id, refresh_id="r", expires_at=user.created_at)])
    db.session.flush()
    db.session.add(JobInput(job_id=job.id, part=0, data=b"title"))
    commit()
    assert affected_rows(delete(User).where(User.id == user.id)) == 1
    commit()
    assert [db.session.scalars(select(model)).first() for model in (Note, Job, JobInput, Session)] == [None] * 4


@every_database
def test_a_job_input_stores_half_a_mebibyte_of_any_bytes(context: None) -> None:
    job = Job(owner_id=create_user().id, kind="notes.import")
    db.session.add(job)
    db.session.flush()
    data = bytes(range(256)) * 2048
    db.session.add(JobInput(job_id=job.id, part=0, data=data))
    commit()
    assert db.session.scalar(select(JobInput.data)) == data
