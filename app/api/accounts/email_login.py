"""`/auth/*`: logging in by email address, as the clients of the speak API do."""

from http import HTTPStatus

from fastapi import APIRouter, Request

from app.accounts.logins import Logins
from app.api.accounts.messages import EmailLoginBody, RefreshBody, TokenPair, token_pair
from app.api.accounts.routes import address_of, routes_below


def email_login(logins: Logins) -> APIRouter:
    """Open the routes onto the logins."""
    routes = routes_below("/auth", needs_credential=False)

    @routes.post("/login")
    async def log_in(body: EmailLoginBody, request: Request) -> TokenPair:
        return token_pair(await logins.log_in(body.email, body.password, address=address_of(request)))

    @routes.post("/refresh")
    async def refresh(body: RefreshBody) -> TokenPair:
        return token_pair(await logins.refresh(body.refresh_token))

    @routes.post("/logout", status_code=HTTPStatus.NO_CONTENT)
    async def log_out(body: RefreshBody) -> None:
        await logins.log_out(body.refresh_token)

    return routes
