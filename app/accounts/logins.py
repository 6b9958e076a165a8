"""Logging in, staying logged in, and logging out."""

import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from app.accounts.account import Account
from app.accounts.names import login_key
from app.accounts.passwords import Passwords
from app.accounts.session import Outcome, RefreshToken, Session, begin, new_nonce, renew
from app.accounts.standings import Standings
from app.accounts.store import Store
from app.accounts.throttle import LoginThrottle
from app.accounts.turns import Turns
from app.errors import InvalidCredential, Overloaded
from app.runtime.auth import SESSION_CLAIM, Authority

logger = logging.getLogger(__name__)

MAX_SESSIONS: Final = 100
"""Of one account; another login ends the oldest."""

_WRONG: Final = "the name or the password is wrong, or the account is disabled"
"""One answer to all three, so that nobody learns which accounts there are."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client gets that has logged in."""

    access: str = field(repr=False)
    """The bearer token that opens doors."""
    refresh: str = field(repr=False)
    """What renews both, once."""
    expires_in: float
    """Seconds that the access token is good for."""


class Logins:
    """Turns passwords and refresh tokens into access tokens. Cancelling any of it is safe.

    Args:
        store: where accounts and sessions are.
        passwords: compares.
        authority: issues access tokens.
        standings: told when a session ends.
        throttle: slows guessing.
        access_seconds: how long an access token is good for.
        refresh_seconds: how long a session lives without being renewed.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        *,
        passwords: Passwords,
        authority: Authority,
        standings: Standings,
        throttle: LoginThrottle,
        access_seconds: float,
        refresh_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._authority = authority
        self._standings = standings
        self._throttle = throttle
        self._turns = Turns()
        self._access_seconds = access_seconds
        self._refresh_seconds = refresh_seconds
        self._clock = clock

    async def log_in(self, login: str, password: str, *, address: str) -> Tokens:
        """Begin a session of the account with this email or name.

        Args:
            login: the email address or the user name, in any case.
            password: as it was typed.
            address: where the attempt comes from (`client_key`).

        Raises:
            InvalidCredential: there is no such account, the password is wrong, or the account may not come in.
            RateLimited: too many wrong passwords.
            Overloaded: too many passwords wait to be checked.
            Unavailable: the store cannot answer now.
        """
        account = await self.check_password(login, password, address=address)
        session, token = begin(account.id, now=self._clock(), lifetime=self._refresh_seconds)
        if not await self._store.add_session(session, password_set_at=account.password_set_at, keep=MAX_SESSIONS):
            raise InvalidCredential(_WRONG)
        return self._tokens(account, session, token)

    async def check_password(self, login: str, password: str, *, address: str) -> Account:
        """Return the account that this password opens; raises as `log_in` does.

        A hash that was made with older parameters is replaced on the way.
        """
        key = login_key(login)
        async with self._attempt(address, key):
            account = await self._store.find_login(key)
            is_right = await self._passwords.verify(account.password_hash if account else None, password)
            if account is None or not is_right or not account.is_active:
                logger.info("a login was refused", extra={"fields": {"client": address}})
                raise InvalidCredential(_WRONG)
        await self._freshen(account, password)
        return account

    async def refresh(self, refresh_token: str) -> Tokens:
        """Return new tokens for a refresh token, which is used up by it (`app.accounts.session`).

        Raises:
            InvalidCredential: it is not known, has expired, or was used before; in the last case its session ends.
            Unavailable: the store cannot answer now.
        """
        token = RefreshToken.parse(refresh_token)
        if await self._store.find_session(token.session_id) is None:  # strangers shall not make us write
            raise InvalidCredential("the refresh token is not known")
        now, nonce = self._clock(), new_nonce()
        found = await self._store.renew_session(
            token.session_id,
            lambda session: renew(session, token, now=now, lifetime=self._refresh_seconds, nonce=nonce),
        )
        if found is None:
            raise InvalidCredential("the refresh token is not known")
        renewal, account = found
        if renewal.outcome is Outcome.REUSED:
            told = {"account": account.id, "session": token.session_id}
            logger.warning("a refresh token was used twice, its session ends", extra={"fields": told})
        if renewal.session is None or renewal.token is None or not account.is_active:
            self._standings.forget(account.id)
            raise InvalidCredential("the refresh token was used before or has expired: log in again")
        return self._tokens(account, renewal.session, renewal.token)

    async def log_out(self, refresh_token: str) -> None:
        """End the session of a refresh token, also of one that was used; one that is not known ends nothing.

        Raises:
            Unavailable: the store cannot answer now.
        """
        try:
            token = RefreshToken.parse(refresh_token)
        except InvalidCredential:
            return
        found = await self._store.find_session(token.session_id)
        if found is not None:
            await self._store.end_session(token.session_id)
            self._standings.forget(found[1].id)

    @asynccontextmanager
    async def _attempt(self, address: str, key: str) -> AsyncIterator[None]:
        """Count what is done inside: as right if it returns, as wrong if it raises `InvalidCredential`, else not."""
        self._throttle.check(address, key)  # before it waits among others
        async with self._turns.turn(f"{address} {key}"):
            self._throttle.begin(address, key)
            is_judged = False
            try:
                yield
                is_judged = True
                self._throttle.succeed(address, key)
            except InvalidCredential:
                is_judged = True
                raise
            finally:
                if not is_judged:
                    self._throttle.undo(address, key)

    async def _freshen(self, account: Account, password: str) -> None:
        if not self._passwords.is_dated(account.password_hash):
            return
        try:
            fresh = await self._passwords.hash(password)
        except Overloaded:
            return  # the next login will

        def replace_hash(now: Account) -> Account:
            return replace(now, password_hash=fresh) if now.password_hash == account.password_hash else now

        await self._store.change_account(account.id, replace_hash)

    def _tokens(self, account: Account, session: Session, token: RefreshToken) -> Tokens:
        # Two tokens of one second must differ: a client takes an equal one for no new one.
        claims = {SESSION_CLAIM: session.id, "jti": secrets.token_hex(8)}
        access = self._authority.issue(account.id, expires_in=self._access_seconds, roles=account.roles, **claims)
        return Tokens(access, token.text, self._access_seconds)
