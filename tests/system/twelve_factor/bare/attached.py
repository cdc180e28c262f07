"""Bare Flask with a database, a broker and tokens. It is ready when database and broker answer."""

import os

import jwt
from celery import Celery
from flask import Flask
from sqlalchemy import create_engine, text

app = Flask("attached")
engine = create_engine(os.environ["DATABASE_URL"])
celery = Celery("attached", broker=os.environ["BROKER_URL"])
tokens = jwt.PyJWT()


@app.get("/readyz")
def ready() -> str:
    with engine.connect() as database, celery.connection_for_write() as broker:
        database.execute(text("SELECT 1"))
        broker.ensure_connection(max_retries=1)
    return "ready"
