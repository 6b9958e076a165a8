"""How this door answers an error over HTTP and in the handshake: `{"detail": …}`."""

import math
from http import HTTPStatus

from fastapi import Request
from starlette.responses import JSONResponse, Response

from app.api.door_route import DoorRoute, Refusal
from app.errors import (
    BodyTooLarge,
    ChorusError,
    Denied,
    InvalidCredential,
    InvalidInput,
    MissingCredential,
    NotFound,
    Overloaded,
    Taken,
    Unavailable,
)

UNKNOWN_CALLER = "Could not validate credentials"  # the document's words

STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (Taken, HTTPStatus.CONFLICT),
    (BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (InvalidCredential, HTTPStatus.UNAUTHORIZED),
    (MissingCredential, HTTPStatus.UNAUTHORIZED),
    (Denied, HTTPStatus.FORBIDDEN),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (ChorusError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""First match wins."""


def failure(error: ChorusError) -> JSONResponse:
    """Answer an error."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    headers = {}
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    content = {"detail": str(error)}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
        content["detail"] = UNKNOWN_CALLER
    if isinstance(error, InvalidInput) and error.field:
        content["field"] = error.field
    return JSONResponse(content, status_code=status, headers=headers)


class StreamRoute(DoorRoute):
    """A route that tells the engine's errors in this door's shape."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Answer an error of the engine."""
        return failure(error) if isinstance(error, ChorusError) else None
