"""Requests to the routes of the speak API, each with a token that the server takes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from app.sdk.errors import BrokenReply, NotConnected, RequestFailed
from app.sdk.speak_errors import http_failure
from app.sdk.speak_tokens import Tokens

MAX_REDIRECTS = 5
AUDIO_SECONDS = 300.0  # for the next bytes of audio: a long take waits for its turn before it begins to sound


class Api:
    """Asks one server.

    Args:
        http: sends requests; must not follow redirects.
        url: of the routes, with a slash at its end.
        tokens: who is asking.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, tokens: Tokens) -> None:
        self._http = http
        self._url = url
        self._tokens = tokens

    async def get(self, route: str, **query: Any) -> Any:
        """Return the JSON of a route; parts of the query that are None are left out.

        Raises:
            RequestFailed: the server answered with an error.
            NotConnected: it cannot be reached.
        """
        return _json(await self._send("GET", route, query=query))

    async def get_openly(self, route: str) -> Any:
        """Return the JSON of a route that takes no credential; raises as `get`."""
        self._tokens.check_open()
        return _json(await self._try("GET", route, token=None))

    async def post(self, route: str, body: Any) -> Any:
        """Send JSON and return the JSON of the answer; raises as `get`."""
        return _json(await self._send("POST", route, body=body))

    async def delete(self, route: str) -> None:
        """Delete; raises as `get`."""
        await self._send("DELETE", route)

    async def location(self, route: str) -> str | None:
        """Return the address to which a route redirects, None if it answers itself; raises as `get`."""
        async with self._open_route(route) as response:
            return _target(response)

    @asynccontextmanager
    async def audio(self, route: str) -> AsyncGenerator[httpx.Response, None]:
        """Open what a route redirects to, or the route itself; the body is not read yet. Raises as `get`.

        The address is signed and wants no credential; some storages refuse one.
        """
        async with self._open_route(route) as response:
            url = _target(response)
            if url is None:
                yield response
                return
        for _ in range(MAX_REDIRECTS):
            async with self._open(url, token=None) as response:
                await _check(response)
                further = _target(response)
                if further is None:
                    yield response
                    return
                url = further
        raise BrokenReply(f"{route} redirects more than {MAX_REDIRECTS} times")

    @asynccontextmanager
    async def _open_route(self, route: str) -> AsyncGenerator[httpx.Response, None]:
        """Open a route with the token, and once more with another if it is refused."""
        token = await self._tokens.current()
        async with AsyncExitStack() as opened:
            response = await opened.enter_async_context(self._open(self._url + route, token=token))
            if response.status_code == 401 and await self._tokens.renew(token):
                await opened.aclose()
                token = await self._tokens.current()
                response = await opened.enter_async_context(self._open(self._url + route, token=token))
            await _check(response)
            yield response

    @asynccontextmanager
    async def _open(self, url: str, *, token: str | None) -> AsyncGenerator[httpx.Response, None]:
        patience = httpx.Timeout(self._http.timeout.connect, read=AUDIO_SECONDS)
        try:
            async with self._http.stream("GET", url, headers=_bearer(token), timeout=patience) as response:
                yield response
        except httpx.HTTPError as error:
            raise _broken(url, error) from error

    async def _send(
        self, method: str, route: str, *, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> httpx.Response:
        """Send with the token, and once more with another if it is refused."""
        token = await self._tokens.current()
        response = await self._try(method, route, token=token, query=query, body=body)
        if response.status_code == 401 and await self._tokens.renew(token):
            token = await self._tokens.current()
            response = await self._try(method, route, token=token, query=query, body=body)
        if response.is_error:
            raise _failure(response)
        return response

    async def _try(
        self,
        method: str,
        route: str,
        *,
        token: str | None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> httpx.Response:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        content = {} if body is None else {"json": body}
        try:
            url = self._url + route
            return await self._http.request(method, url, params=params or None, headers=_bearer(token), **content)
        except httpx.HTTPError as error:
            raise _broken(self._url + route, error) from error


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _target(response: httpx.Response) -> str | None:
    return str(response.next_request.url) if response.next_request is not None else None


async def _check(response: httpx.Response) -> None:
    if response.is_error:
        await response.aread()
        raise _failure(response)


def _failure(response: httpx.Response) -> RequestFailed:
    return http_failure(response.status_code, response.reason_phrase, response.content, response.headers)


def _broken(url: str, error: httpx.HTTPError) -> NotConnected:
    return NotConnected(f"asking {url.partition('?')[0]} failed: {error!r}")


def _json(response: httpx.Response) -> Any:
    if response.is_error:
        raise _failure(response)
    try:
        return response.json()
    except ValueError as error:
        raise BrokenReply(f"the answer of {response.url.path} is no JSON") from error
