"""The Flask extensions. `create_app` binds them to an application."""

from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_migrate import Migrate

from app.core.database import db
from app.core.urls import ROOT

__all__ = ["cors", "db", "jwt", "migrate"]

migrate = Migrate(directory=str(ROOT / "migrations"), render_as_batch=True)
jwt = JWTManager()
cors = CORS()
