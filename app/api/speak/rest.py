"""The REST routes of the speak API, and the pages that document them."""

from typing import Any

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from app.api.speak.audio import audio_routes
from app.api.speak.docs import docs
from app.api.speak.failure import Failure
from app.api.speak.limits import SpeakLimits
from app.api.speak.models import models_routes, version_route
from app.api.speak.takes import takes_routes
from app.api.speak.urls import PREFIX, SignedUrls
from app.api.speak.voices import voices_routes
from app.runtime.auth import Authority
from app.takes.studio import Studio

OPEN_PATHS = tuple(f"{PREFIX}/{name}" for name in ("version", "docs", "redoc", "openapi.json"))
"""Where no credential is needed, and none is judged."""

BEARER = HTTPBearer(auto_error=False, description="An access token or an API key.")
FAILURES: dict[int | str, dict[str, Any]] = {"4XX": {"model": Failure}, "5XX": {"model": Failure}}


def rest(studio: Studio, authority: Authority, limits: SpeakLimits) -> APIRouter:
    """Open the routes.

    Args:
        studio: makes takes and voices.
        authority: signs the URLs that are given away.
        limits: how long those are good, among others.
    """
    urls = SignedUrls(authority, socket_seconds=limits.socket_seconds, audio_seconds=limits.audio_seconds)
    routes = APIRouter(prefix=PREFIX)
    routes.include_router(version_route())
    for part in (models_routes(studio, urls), voices_routes(studio), takes_routes(studio, urls)):
        routes.include_router(part, responses=FAILURES, dependencies=[Security(BEARER)])
    routes.include_router(audio_routes(studio, limits), responses=FAILURES)
    routes.include_router(docs(routes.routes))
    return routes
