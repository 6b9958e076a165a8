"""The credential of one client of the speak API, renewed when the server no longer takes it.

Rules of this file:

1. One renewal at a time: whoever finds the token stale while it is being renewed waits for the same renewal. Servers
   give each refresh token once, and take its second use for theft.
2. A renewal goes on when the one who asked for it is cancelled: the server may have spent the refresh token already.
3. A refresh that is refused is followed by signing in with the password, if there is one.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from app.sdk.errors import BrokenReply, ClientError, NotConnected, RequestFailed
from app.sdk.speak_errors import Denied, Overloaded, ServerFailed, http_failure

logger = logging.getLogger(__name__)

SIGN_OUT_SECONDS = 5.0

OnTokens = Callable[[str | None, str | None], None]
"""Told the access token and the refresh token whenever they have changed; both None when the session has ended."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client may sign in with: email and password, or a token, with or without what renews it."""

    email: str | None = None
    password: str | None = None
    token: str | None = None
    """Access token, permanent token or API key."""
    refresh_token: str | None = None


class Tokens:
    """Holds the token while its `async with` block runs; leaving it ends a session that was begun with the password.

    Args:
        http: sends requests.
        url: of the routes `login`, `refresh` and `logout`, with a slash at its end.
        credentials: to begin with.
        on_tokens: told of every change, so that tokens can be kept for the next run.
    """

    def __init__(
        self, http: httpx.AsyncClient, url: str, credentials: Credentials, *, on_tokens: OnTokens | None
    ) -> None:
        self._http = http
        self._url = url
        self._email = credentials.email
        self._password = credentials.password
        self._token = credentials.token
        self._refresh_token = credentials.refresh_token
        self._on_tokens = on_tokens
        self._signed_in = False
        self._is_open = False
        self._group = asyncio.TaskGroup()
        self._renewal: asyncio.Task[ClientError | None] | None = None

    async def __aenter__(self) -> "Tokens":
        """Begin; nothing is asked of the server yet."""
        await self._group.__aenter__()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sign out, if this client signed in."""
        self._is_open = False
        # The block's own error is not shown to the group, which would wrap it into an ExceptionGroup.
        await self._group.__aexit__(None, None, None)
        if self._signed_in:
            try:
                async with asyncio.timeout(SIGN_OUT_SECONDS):
                    await self.sign_out()
            except (ClientError, TimeoutError) as failure:
                logger.info("signing out failed: %r", failure)

    def check_open(self) -> None:
        """Refuse outside the block.

        Raises:
            NotConnected: it has not been entered, or has been left.
        """
        if not self._is_open:
            raise NotConnected("the client is not open: use it in an async with block")

    async def current(self) -> str | None:
        """Return the token, signing in first if there is none; None if there is nothing to sign in with.

        Raises:
            Denied: signing in failed.
            NotConnected: the server cannot be reached, or the client is not open.
        """
        self.check_open()
        if self._token is None and self._can_renew:
            await self._renew_once()
        return self._token

    async def renew(self, stale: str | None) -> bool:
        """Get another token in the place of one that was refused; returns whether there is one.

        Raises:
            Denied: neither the refresh token nor the password is taken.
            NotConnected: the server cannot be reached.
        """
        if self._token != stale:
            return True  # somebody else has renewed it meanwhile
        if not self._can_renew:
            return False
        await self._renew_once()
        return True

    async def sign_out(self) -> None:
        """Give the session up; the next request signs in again, if there is a password.

        Raises:
            RequestFailed: the server refused.
            NotConnected: it cannot be reached.
        """
        refresh_token, self._refresh_token = self._refresh_token, None
        self._token = None
        self._signed_in = False
        if refresh_token is not None:
            await self._post("logout", {"refresh_token": refresh_token}, token=None)
        self._tell()

    @property
    def _can_renew(self) -> bool:
        return self._refresh_token is not None or (self._email is not None and self._password is not None)

    async def _renew_once(self) -> None:
        if self._renewal is None:
            self._renewal = self._group.create_task(self._renew())
        failure = await asyncio.shield(self._renewal)
        if failure is not None:
            raise failure

    async def _renew(self) -> ClientError | None:
        """Return what went wrong: raised here it would end the group."""
        try:
            if self._refresh_token is not None and await self._refresh():
                return None
            if self._email is None or self._password is None:
                return Denied("401", "the token has expired and cannot be renewed", {"status": 401})
            await self._sign_in({"email": self._email, "password": self._password})
            return None
        except ClientError as error:
            return error
        finally:
            self._renewal = None

    async def _refresh(self) -> bool:
        body = {"refresh_token": self._refresh_token}
        if self._email is not None:
            body["email"] = self._email  # the document has it, the client of the vendor does not
        try:
            await self._keep(await self._post("refresh", body, token=self._token))
        except (Overloaded, ServerFailed):
            raise  # it may be taken later
        except RequestFailed:
            self._token = self._refresh_token = None
            self._tell()
            return False
        return True

    async def _sign_in(self, body: dict[str, str]) -> None:
        await self._keep(await self._post("login", body, token=None))
        self._signed_in = True

    async def _keep(self, reply: Any) -> None:
        try:
            self._token, self._refresh_token = str(reply["access_token"]), str(reply["refresh_token"])
        except (KeyError, TypeError) as error:
            raise BrokenReply("the server signed in without giving tokens") from error
        self._tell()

    def _tell(self) -> None:
        if self._on_tokens is not None:
            self._on_tokens(self._token, self._refresh_token)

    async def _post(self, route: str, body: dict[str, Any], *, token: str | None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._http.post(self._url + route, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise NotConnected(f"cannot reach {self._url}: {error!r}") from error
        if not response.is_success:
            raise http_failure(response.status_code, response.reason_phrase, response.content, response.headers)
        return response.json() if response.content else None
