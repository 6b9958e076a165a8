"""What all routes of this door have in common."""

from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer

from app.api.accounts.failure import AccountsRoute
from app.api.accounts.messages import Refusal
from app.errors import Denied
from app.runtime.auth import SESSION_CLAIM, Identity
from app.runtime.credentials import require
from app.runtime.limits import client_key

OPEN_PATHS = (
    "/auth/login",
    "/auth/refresh",
    "/auth/logout",
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
)
"""Where nobody needs a credential, and one that has expired does no harm."""

BEARER = HTTPBearer(auto_error=False, description="An access token; for reading, an API key of an account does too.")


def routes_below(prefix: str, *, needs_credential: bool) -> APIRouter:
    """Return a router of this door; that it needs a credential is for its documentation."""
    told: dict[int | str, dict[str, Any]] = {"4XX": {"model": Refusal}, "5XX": {"model": Refusal}}
    bearer = [Security(BEARER)] if needs_credential else []
    return APIRouter(prefix=prefix, tags=["accounts"], route_class=AccountsRoute, responses=told, dependencies=bearer)


def address_of(request: Request) -> str:
    """Return under which name the caller's address is counted; behind a proxy it is what uvicorn made of it."""
    return client_key(request.client.host) if request.client else ""


def logged_in(request: Request) -> tuple[Identity, str]:
    """Return who has logged in, and the id of the session.

    Raises:
        MissingCredential: nobody says who asks.
        Denied: it is an API key or an operator's token: what changes an account needs its password, if long ago.
    """
    identity = require(request.scope)
    session = identity.claims.get(SESSION_CLAIM)
    if not isinstance(session, str):
        raise Denied("this needs a login: an API key does not do")
    return identity, session
