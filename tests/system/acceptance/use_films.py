"""Uses the README's `films`. `test_readme.py` runs this file in a copy of the tree that has them."""

from app import create_app
from app.core.database import commit
from app.jobs import runner, service

app = create_app()
client = app.test_client()
account = {"email": "ada@example.org", "password": "correct horse"}
signed_up = client.post("/api/v1/auth/signup", json=account | {"name": "Ada"})
user_id = signed_up.get_json()["id"]
token = client.post("/api/v1/auth/login", json=account).get_json()["access_token"]
headers = {"Authorization": f"Bearer {token}"}

film = {"title": "metropolis", "author": "Fritz Lang", "isbn": "9780141439587"}
created = client.post("/api/v1/films", json=film, headers=headers)
assert created.status_code == 201, created.text

with app.app_context():
    job = service.enqueue("films.tidy", owner_id=user_id)
    commit()
    runner.run(job.id)

(listed,) = client.get("/api/v1/films", headers=headers).get_json()["items"]
assert listed["title"] == "Metropolis", listed
assert client.get("/api/v1/books", headers=headers).get_json()["items"] == []
assert "/api/v1/films/{film_id}" in client.get("/openapi.json").get_json()["paths"]
print("the film is there, and tidy")  # noqa: T201
