"""Routes for administrators alone."""

from typing import Final

from fastapi import Depends, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPBearer

from app.accounts.account import ADMIN
from app.runtime.credentials import require

_BEARER = HTTPBearer(auto_error=False, description="An access token or an API key of an administrator.")


async def _only_administrators(request: Request) -> None:
    require(request.scope, role=ADMIN)


FOR_ADMINISTRATORS: Final[list[Dependency]] = [Security(_BEARER), Depends(_only_administrators)]
"""Dependencies of a router: they refuse before a byte of a body is read."""
