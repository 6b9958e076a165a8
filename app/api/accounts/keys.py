"""`/api/v1/auth/api-keys`: one's own permanent keys."""

import time
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request

from app.accounts.keys import Keys
from app.api.accounts.messages import KeyBody, ListedKey, NewKey, describe_key
from app.api.accounts.routes import logged_in, routes_below


def key_routes(keys: Keys, *, clock: Callable[[], float] = time.time) -> APIRouter:
    """Open the routes onto the keys; `clock` tells Unix seconds."""
    routes = routes_below("/api/v1/auth/api-keys", needs_credential=True)

    @routes.post("", status_code=HTTPStatus.CREATED)
    async def create(body: KeyBody, request: Request) -> NewKey:
        owner, _ = logged_in(request)
        kept, key = await keys.create(owner.subject, body.key_name, days=body.expires_in_days)
        return NewKey(**describe_key(kept, now=clock()).model_dump(), api_key=key)

    @routes.get("")
    async def list_keys(request: Request) -> list[ListedKey]:
        owner, _ = logged_in(request)
        now = clock()
        return [describe_key(key, now=now) for key in await keys.list(owner.subject)]

    @routes.delete("/{key_id}", status_code=HTTPStatus.NO_CONTENT)
    async def revoke(key_id: str, request: Request) -> None:
        owner, _ = logged_in(request)
        await keys.revoke(owner.subject, key_id)

    return routes
