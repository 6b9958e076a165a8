"""What the REST routes of this door answer when they cannot do what is asked."""

from http import HTTPStatus

from starlette.responses import JSONResponse

from app.api.lipsync import messages
from app.errors import ChorusError, InvalidInput, NotFound, Overloaded, Unavailable

STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (messages.Undecodable, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""First match wins; anything else is 500."""


def failure(error: ChorusError, *, status: HTTPStatus | None = None) -> JSONResponse:
    """Return the answer to an error, with this status where it is another one than that of its kind."""
    if status is None:
        found = (status for kind, status in STATUSES if isinstance(error, kind))
        status = next(found, HTTPStatus.INTERNAL_SERVER_ERROR)
    content = {"detail": str(error), "error_type": messages.error_type_of(error)}
    return JSONResponse(content, status_code=status)
