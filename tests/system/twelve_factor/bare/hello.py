"""The smallest Flask application."""

from flask import Flask

app = Flask("hello")


@app.get("/readyz")
def hello() -> str:
    return "hello"
