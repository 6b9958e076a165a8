"""The bodies of `/auth/*` and `/api/v1/auth/*`, and their answers."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.accounts.account import ADMIN, Account
from app.accounts.api_key import MAX_KEY_NAME_CHARACTERS, ApiKey
from app.accounts.keys import MAX_LIFETIME_DAYS
from app.accounts.logins import Tokens


class EmailLoginBody(BaseModel):
    """The body of `POST /auth/login`."""

    email: str
    """The user name does as well."""
    password: str


class NameLoginBody(BaseModel):
    """The body of `POST /api/v1/auth/login`."""

    username: str
    """The email address does as well."""
    password: str


class RefreshBody(BaseModel):
    """The body of both refreshes and both logouts. What else is in it is ignored: the token says whose it is."""

    refresh_token: str


class RegisterBody(BaseModel):
    """The body of `POST /api/v1/auth/register`."""

    username: str
    """3 to 100 letters, digits, `.`, `_`, `-`."""
    email: str
    password: str
    """8 to 256 characters."""
    full_name: str | None = None


class ProfileBody(BaseModel):
    """The body of `PUT /api/v1/auth/me`; what is null or absent stays as it is."""

    email: str | None = None
    full_name: str | None = None
    """Empty to have none."""
    password: str | None = None
    """8 to 256 characters."""
    current_password: str | None = None
    """Needed for a new email or a new password."""


class KeyBody(BaseModel):
    """The body of `POST /api/v1/auth/api-keys`."""

    key_name: Annotated[str, Field(min_length=1, max_length=MAX_KEY_NAME_CHARACTERS)]
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_LIFETIME_DAYS)] | None = None
    """Null: never."""


class TokenPair(BaseModel):
    """What `/auth/login` and `/auth/refresh` answer."""

    access_token: str
    refresh_token: str


class BearerTokens(TokenPair):
    """What `/api/v1/auth/login` and `/api/v1/auth/refresh` answer."""

    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    """Seconds that the access token is good for."""


class User(BaseModel):
    """An account, as its owner sees it."""

    id: str
    username: str
    email: str
    full_name: str | None
    is_active: bool
    is_admin: bool
    created_at: datetime
    last_login: datetime | None


class ListedKey(BaseModel):
    """What is kept of an API key."""

    id: str
    key_name: str
    key_prefix: str
    """How the key begins."""
    is_active: bool
    """False once it has expired."""
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """Within a minute; null: never."""


class NewKey(ListedKey):
    """The one answer that has the key itself."""

    api_key: str


class Refusal(BaseModel):
    """The answer wherever something went wrong."""

    detail: str | list[dict[str, Any]]
    """A list where the body has the wrong form: `loc`, `msg`, `type` of each value."""


def token_pair(tokens: Tokens) -> TokenPair:
    """Write tokens without anything else."""
    return TokenPair(access_token=tokens.access, refresh_token=tokens.refresh)


def bearer_tokens(tokens: Tokens) -> BearerTokens:
    """Write tokens as OAuth 2 does (RFC 6749, 5.1)."""
    return BearerTokens(access_token=tokens.access, refresh_token=tokens.refresh, expires_in=int(tokens.expires_in))


def describe_user(account: Account) -> User:
    """Write an account."""
    return User(
        id=account.id,
        username=account.name,
        email=account.email,
        full_name=account.full_name,
        is_active=account.is_active,
        is_admin=ADMIN in account.roles,
        created_at=_moment(account.created_at),
        last_login=None if account.last_login_at is None else _moment(account.last_login_at),
    )


def describe_key(key: ApiKey, *, now: float) -> ListedKey:
    """Write a key; `now` in seconds since 1970."""
    return ListedKey(
        id=key.id,
        key_name=key.name,
        key_prefix=key.prefix,
        is_active=not key.has_expired(now),
        created_at=_moment(key.created_at),
        expires_at=None if key.expires_at is None else _moment(key.expires_at),
        last_used_at=None if key.last_used_at is None else _moment(key.last_used_at),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
