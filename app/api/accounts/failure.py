"""How this door answers an error: `{"detail": …}`."""

import math
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from app.errors import (
    ChorusError,
    Denied,
    InvalidCredential,
    InvalidInput,
    MissingCredential,
    NotFound,
    Overloaded,
    RateLimited,
    Taken,
    Unavailable,
)

STATUSES: tuple[tuple[type[ChorusError], HTTPStatus], ...] = (
    (Taken, HTTPStatus.BAD_REQUEST),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidCredential, HTTPStatus.UNAUTHORIZED),
    (MissingCredential, HTTPStatus.UNAUTHORIZED),
    (Denied, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""First match wins."""


def failure(error: ChorusError) -> JSONResponse:
    """Answer an error of the engine."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Overloaded) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return JSONResponse({"detail": str(error)}, status_code=status, headers=headers)


def explain(error: RequestValidationError) -> JSONResponse:
    """Answer a body of the wrong form, as FastAPI does but without the values: there are passwords among them."""
    told = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return JSONResponse({"detail": told}, status_code=HTTPStatus.UNPROCESSABLE_ENTITY)


class AccountsRoute(APIRoute):
    """A route that tells errors in this door's shape, and whose answers no cache may keep (RFC 6749, 5.1)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler, as FastAPI's documentation of custom routes does."""
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                response = await handle(request)
            except ChorusError as error:
                response = failure(error)
            except RequestValidationError as error:
                response = explain(error)
            response.headers["Cache-Control"] = "no-store"
            return response

        return handle_or_explain
