"""Authentication: sign up, log in, refresh, log out."""

from typing import Any

from app.auth import service
from app.auth.resources import Login, Logout, Refresh, Signup
from app.core.extensions import jwt
from app.core.http import Api
from app.core.security import Principal


def register(api: Api) -> None:
    """Add the resources, and configure flask-jwt-extended: the lifetime of tokens and their principal."""
    api.app.config["JWT_COOKIE_CSRF_PROTECT"] = False  # tokens are in a header, which browsers do not add by themselves
    api.app.config["JWT_ACCESS_TOKEN_EXPIRES"] = service.ACCESS_LIFETIME
    api.app.config["JWT_REFRESH_TOKEN_EXPIRES"] = service.SESSION_LIFETIME

    @jwt.user_lookup_loader
    def find_principal(_header: dict[str, Any], claims: dict[str, Any]) -> Principal | None:
        return service.principal_of(claims)

    api.add(Signup, "/auth/signup")
    api.add(Login, "/auth/login")
    api.add(Refresh, "/auth/refresh")
    api.add(Logout, "/auth/logout")
