"""How this door answers an error: `{"detail": …}`."""

import math
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from app.api.door_route import DoorRoute, Refusal
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


class AccountsRoute(DoorRoute):
    """A route that tells errors in this door's shape, and whose answers no cache may keep (RFC 6749, 5.1)."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Answer an error of the engine or a request that is not as it must be."""
        if isinstance(error, RequestValidationError):
            return explain(error)
        return failure(error) if isinstance(error, ChorusError) else None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Mark every answer."""
        handle = super().get_route_handler()

        async def handle_and_mark(request: Request) -> Response:
            response = await handle(request)
            response.headers["Cache-Control"] = "no-store"
            return response

        return handle_and_mark
