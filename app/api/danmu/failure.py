"""How the REST routes of this door answer an error."""

import math
from http import HTTPStatus

from starlette.responses import JSONResponse

from app.api.danmu import messages
from app.errors import ChorusError, Denied, InvalidInput, NotFound, Overloaded, RateLimited, Unavailable

STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Denied, HTTPStatus.FORBIDDEN),
    (RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""First match wins; anything else is 500."""


def failure(error: ChorusError) -> JSONResponse:
    """Answer an error as this door does: `{"detail": …}` and the details that a program can use."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    content = {"detail": str(error)} | messages.details(error)
    return JSONResponse(content, status_code=status, headers=headers)
