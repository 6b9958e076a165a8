"""What the REST routes of every door have in common: errors are told in the door's own shape."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.errors import ChorusError

Refusal: TypeAlias = ChorusError | RequestValidationError | HTTPException
"""An error of an engine, or what the framework finds wrong with a request."""


class DoorRoute(APIRoute):
    """A route; each door has one of its own, which says what it answers."""

    def answer(self, request: Request, error: Refusal) -> Response | None:
        """Return what a refused request is answered; None leaves it to the framework."""
        return None

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler, as FastAPI's documentation of custom routes does."""
        handle = super().get_route_handler()

        async def handle_or_answer(request: Request) -> Response:
            try:
                return await handle(request)
            except (ChorusError, RequestValidationError, HTTPException) as error:
                answered = self.answer(request, error)
                if answered is None:
                    raise
                return answered

        return handle_or_answer
