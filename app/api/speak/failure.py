"""How the REST routes of this door answer an error: `{"detail": …}`, in words that clients print."""

import math
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.api.door_route import DoorRoute, Refusal
from app.api.speak.schemas import explain
from app.errors import (
    BodyTooLarge,
    ChorusError,
    Denied,
    InvalidCredential,
    InvalidInput,
    MissingCredential,
    NotFound,
    Overloaded,
    Unavailable,
)


class NoAudio(ChorusError):
    """A take that ended without audio, or lost it."""


STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (NoAudio, HTTPStatus.CONFLICT),
    (InvalidCredential, HTTPStatus.UNAUTHORIZED),
    (MissingCredential, HTTPStatus.UNAUTHORIZED),
    (Denied, HTTPStatus.FORBIDDEN),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (ChorusError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""First match wins."""


class Failure(BaseModel):
    """What every error says."""

    detail: str
    field: str | None = None
    """Which value of the request is wrong; absent where it is none."""


def failure(error: ChorusError) -> JSONResponse:
    """Answer an error."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {}
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    content = {"detail": str(error)}
    if isinstance(error, InvalidInput) and error.field:
        content["field"] = error.field
    return JSONResponse(content, status_code=status, headers=headers)


class SpeakRoute(DoorRoute):
    """A route whose errors are answered in this door's shape, the framework's (422) among them."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Answer an error of the engine or a request that is not as it must be."""
        if isinstance(error, RequestValidationError):
            return failure(explain(error.errors()))
        return failure(error) if isinstance(error, ChorusError) else None
