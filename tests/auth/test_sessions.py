"""Sessions: refresh token rotation, reuse detection and logout."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import update

from app.auth.models import Session
from app.core.database import db, utcnow
from tests.conftest import every_database
from tests.support.clients import Client, at_once, problem
from tests.support.factories import log_in


def refresh(client: Client) -> Client:
    response = Client(client.app, client.refresh_token).post("/auth/refresh")
    assert response.status_code == 200, response.text
    return Client(client.app, response.json["access_token"], response.json["refresh_token"])


def refresh_status(client: Client) -> int:
    return int(Client(client.app, client.refresh_token).post("/auth/refresh").status_code)


def set_time_left(app: Flask, time_left: timedelta) -> None:
    with app.app_context():
        db.session.execute(update(Session).values(expires_at=utcnow() + time_left))
        db.session.commit()


@every_database
def test_a_refresh_token_is_exchanged_for_a_new_pair(ada: Client) -> None:
    response = Client(ada.app, ada.refresh_token).post("/auth/refresh")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json["refresh_token"] != ada.refresh_token
    assert Client(ada.app, response.json["access_token"]).get("/users/me").json["email"] == "ada@example.org"
    assert response.json["token_type"] == "Bearer"
    assert response.json["expires_in"] == 900


def test_a_session_continues_over_several_refreshes(ada: Client) -> None:
    assert refresh(refresh(refresh(ada))).get("/users/me").status_code == 200


def test_a_refresh_leaves_the_previous_access_token_valid(ada: Client) -> None:
    refresh(ada)
    assert ada.get("/users/me").status_code == 200


@every_database
def test_a_second_use_of_a_refresh_token_ends_its_session(ada: Client) -> None:
    successor = refresh(ada)
    status, body = problem(Client(ada.app, ada.refresh_token).post("/auth/refresh"))
    assert status == 401
    assert "used before" in body["detail"]
    assert ada.get("/users/me").status_code == 401
    assert successor.get("/users/me").status_code == 401
    assert refresh_status(successor) == 401


def test_a_second_use_of_a_refresh_token_leaves_other_sessions_alone(app: Flask, ada: Client, bob: Client) -> None:
    phone = log_in(app, "ada@example.org")
    refresh(ada)
    assert refresh_status(ada) == 401
    assert refresh(phone).get("/users/me").status_code == 200
    assert refresh(bob).get("/users/me").status_code == 200


@every_database
def test_one_of_several_concurrent_refreshes_succeeds(ada: Client) -> None:
    statuses = at_once(lambda: refresh_status(ada), times=4)
    assert sorted(statuses) == [200, 401, 401, 401]
    assert ada.get("/users/me").status_code == 401


def test_an_access_token_cannot_refresh(ada: Client) -> None:
    assert problem(ada.post("/auth/refresh"))[0] == 401


def test_a_refresh_token_is_refused_elsewhere(ada: Client) -> None:
    with_refresh_token = Client(ada.app, ada.refresh_token)
    assert problem(with_refresh_token.get("/users/me"))[0] == 401
    assert problem(with_refresh_token.post("/auth/logout"))[0] == 401
    assert refresh_status(ada) == 200


@every_database
def test_a_logout_invalidates_access_and_refresh_token_immediately(ada: Client) -> None:
    response = ada.post("/auth/logout")
    assert (response.status_code, response.data) == (204, b"")
    assert ada.get("/users/me").status_code == 401
    assert refresh_status(ada) == 401


def test_a_logout_invalidates_every_pair_of_its_session(ada: Client) -> None:
    successor = refresh(ada)
    successor.post("/auth/logout")
    assert ada.get("/users/me").status_code == 401
    assert refresh_status(successor) == 401


def test_a_second_logout_gets_401(ada: Client) -> None:
    ada.post("/auth/logout")
    assert problem(ada.post("/auth/logout"))[0] == 401


@every_database
def test_an_expired_session_invalidates_both_tokens(app: Flask, ada: Client) -> None:
    set_time_left(app, timedelta(seconds=-1))
    assert ada.get("/users/me").status_code == 401
    assert refresh_status(ada) == 401


def test_a_refresh_extends_its_session(app: Flask, ada: Client) -> None:
    set_time_left(app, timedelta(minutes=1))
    refresh(ada)
    with app.app_context():
        expires_at = db.session.scalar(db.select(Session.expires_at))
    assert expires_at is not None
    assert expires_at > utcnow() + timedelta(days=29)
