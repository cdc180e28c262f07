"""The Flask extensions, unbound: `create_app` binds them to an application."""

from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from app.core.database import Base
from app.core.urls import ROOT

db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate(directory=str(ROOT / "migrations"), render_as_batch=True)
jwt = JWTManager()
cors = CORS()
