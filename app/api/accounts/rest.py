"""The door of accounts: `/api/v1/auth/*` here, `/auth/*` in `email_login.py`, API keys in `keys.py`."""

from http import HTTPStatus

from fastapi import APIRouter, Request

from app.accounts.accounts import Accounts
from app.api.accounts.email_login import email_login
from app.api.accounts.keys import key_routes
from app.api.accounts.messages import (
    BearerTokens,
    NameLoginBody,
    ProfileBody,
    RefreshBody,
    RegisterBody,
    User,
    bearer_tokens,
    describe_user,
)
from app.api.accounts.routes import address_of, logged_in, routes_below
from app.errors import Denied, InvalidCredential
from app.runtime.credentials import require


def rest(accounts: Accounts) -> APIRouter:
    """Open all routes onto the engine of accounts."""
    everything = APIRouter()
    everything.include_router(email_login(accounts.logins))
    everything.include_router(_name_login(accounts))
    everything.include_router(_own_account(accounts))
    everything.include_router(key_routes(accounts.keys))
    return everything


def _name_login(accounts: Accounts) -> APIRouter:
    routes = routes_below("/api/v1/auth", needs_credential=False)

    @routes.post("/register", status_code=HTTPStatus.CREATED)
    async def register(body: RegisterBody, request: Request) -> User:
        account = await accounts.register(
            email=body.email,
            name=body.username,
            password=body.password,
            full_name=body.full_name,
            address=address_of(request),
        )
        return describe_user(account)

    @routes.post("/login")
    async def log_in(body: NameLoginBody, request: Request) -> BearerTokens:
        return bearer_tokens(await accounts.logins.log_in(body.username, body.password, address=address_of(request)))

    @routes.post("/refresh")
    async def refresh(body: RefreshBody) -> BearerTokens:
        return bearer_tokens(await accounts.logins.refresh(body.refresh_token))

    @routes.post("/logout", status_code=HTTPStatus.NO_CONTENT)
    async def log_out(body: RefreshBody) -> None:
        await accounts.logins.log_out(body.refresh_token)

    return routes


def _own_account(accounts: Accounts) -> APIRouter:
    routes = routes_below("/api/v1/auth/me", needs_credential=True)

    @routes.get("")
    async def tell(request: Request) -> User:
        return describe_user(await accounts.account(require(request.scope).subject))

    @routes.put("")
    async def change(body: ProfileBody, request: Request) -> User:
        identity, session = logged_in(request)
        if body.email is not None or body.password is not None:
            await _check_password(accounts, identity.subject, body.current_password, address=address_of(request))
        changed = await accounts.change(
            identity.subject, email=body.email, full_name=body.full_name, password=body.password, spare=session
        )
        return describe_user(changed)

    return routes


async def _check_password(accounts: Accounts, id: str, password: str | None, *, address: str) -> None:
    """Let pass who knows the password of the account now.

    Raises:
        Denied: it is not given, or wrong; 401 would tell a client that its token is.
        RateLimited: too many wrong ones.
    """
    if password is None:
        raise Denied("a new email or a new password needs `current_password`")
    try:
        await accounts.logins.check_password((await accounts.account(id)).email, password, address=address)
    except InvalidCredential:
        raise Denied("`current_password` is wrong") from None
