"""How this door answers an error: a close of `/ws/play`, `{"detail": …}` over HTTP and in the handshake."""

import math
from http import HTTPStatus

from fastapi import Request
from starlette.responses import JSONResponse, Response

from app.api.door_route import DoorRoute, Refusal
from app.api.telephony.messages import CANNOT_PLAY, FILE_NOT_FOUND, INVALID_PATH, UNSUPPORTED
from app.errors import (
    ChorusError,
    Denied,
    InvalidAudio,
    InvalidCredential,
    InvalidInput,
    MissingCredential,
    NotFound,
    Overloaded,
    Unavailable,
)
from app.runtime.session import INTERNAL, Ending

STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (InvalidCredential, HTTPStatus.UNAUTHORIZED),
    (MissingCredential, HTTPStatus.UNAUTHORIZED),
    (Denied, HTTPStatus.FORBIDDEN),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (ChorusError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""First match wins; a file's name that is not taken is a bad request (400)."""

ENDINGS: tuple[tuple[type[Exception], Ending], ...] = (
    (NotFound, Ending(CANNOT_PLAY, FILE_NOT_FOUND)),
    (InvalidAudio, Ending(CANNOT_PLAY, UNSUPPORTED)),
    (InvalidInput, Ending(CANNOT_PLAY, INVALID_PATH)),
    (Exception, Ending(INTERNAL, "the file cannot be played now")),
)
"""How a file that cannot be played ends its connection. First match wins."""


def ending(error: Exception) -> Ending:
    """Return how an error ends a connection of `/ws/play`."""
    return next(ending for kind, ending in ENDINGS if isinstance(error, kind))


def failure(error: ChorusError) -> JSONResponse:
    """Answer an error."""
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    content, headers = {"detail": str(error)}, {}
    if isinstance(error, InvalidInput) and error.field:
        content["field"] = error.field
        status = HTTPStatus.BAD_REQUEST if error.field == "filename" else status
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(content, status_code=status, headers=headers)


class TelephonyRoute(DoorRoute):
    """A route that tells the engine's errors in this door's shape."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Answer an error of the engine."""
        return failure(error) if isinstance(error, ChorusError) else None
