"""What every REST route of this door begins and ends with: who asks, and JSON."""

from typing import Any

from fastapi import Request
from starlette.responses import Response

from app.api.speak.answers import encode
from app.runtime.credentials import require


def owner_of(request: Request) -> str:
    """Return the account that asks.

    Raises:
        MissingCredential: nobody says who asks.
    """
    return require(request.scope).subject


def reply(content: Any) -> Response:
    """Answer with JSON."""
    return Response(encode(content), media_type="application/json")
