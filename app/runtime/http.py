"""Outgoing calls to URLs that somebody else chose: webhooks and callbacks.

Such a URL may point home (server-side request forgery), so: only http and https, only listed ports, the name is
resolved once, every address it has must be allowed, and the connection goes to one of the addresses that were
checked, while `Host`, SNI and the certificate keep the name. There are no redirects, no proxies of the
environment, no cookies and no decompression, and the whole call has one deadline.

It stands on httpcore, the part of httpx below its client, because all of these are features of that client.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self, cast

import anyio
import httpcore
import httpx

from app.errors import DeadlineExceeded, ForbiddenAddress, InvalidInput, Unavailable
from app.runtime.addresses import Address, Network, is_allowed, parse_networks

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From host and port to the texts of its addresses; raises OSError when there are none."""

_ATTEMPT_TIMEOUT: Final = 2.0
"""Seconds to connect to one of several addresses, so that a dead one leaves time for the next."""

_MAX_ATTEMPTS: Final = 3

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side answered, whatever its status."""

    status: int

    headers: Mapping[str, str]
    """Names in lower case; of repeated ones the last."""

    body: bytes
    """As it was sent, not decompressed, and at most `max_body_bytes` of it."""

    truncated: bool
    """Whether there was more body."""


class HttpClient:
    """Calls strangers. An async context manager; closing it closes its idle connections.

    Args:
        ports: those that may be called.
        allowed_networks: `192.168.1.0/24`, networks that may be called although they are not public.
        deadline: seconds for a whole call, from the resolution of the name to the end of the body.
        max_body_bytes: how much of an answer is read.
        resolve: how names become addresses.
        tls: trusts other certificates than the usual authorities'.
        max_connections: how many are open at once; further calls wait, within their deadline.
    """

    def __init__(
        self,
        *,
        ports: Collection[int] = (80, 443),
        allowed_networks: Iterable[str] = (),
        deadline: float = 5.0,
        max_body_bytes: int = 65_536,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 32,
    ) -> None:
        self._ports = frozenset(ports)
        self._deadline = deadline
        self._max_body_bytes = max_body_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=max_connections,
            keepalive_expiry=5.0,
            network_backend=_CheckedBackend(parse_networks(allowed_networks), resolve or resolve_name),
        )

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Reply:
        """Send a request and return the answer, also when its status tells of a failure.

        Cancelling it closes the connection; the other side may have got the request all the same.

        Raises:
            ForbiddenAddress: the URL, or an address of its host, may not be called.
            InvalidInput: a header cannot be sent.
            DeadlineExceeded: the call took longer than the deadline.
            Unavailable: the host has no address, does not answer, or does not speak HTTP or TLS properly.
        """
        target = self._check(url)
        try:
            with anyio.fail_after(self._deadline):
                return await self._send(method, target, headers or {}, content)
        except TimeoutError as error:
            raise DeadlineExceeded(f"'{_host(target)}' took more than {self._deadline} seconds") from error
        except (httpcore.LocalProtocolError, UnicodeEncodeError) as error:
            raise InvalidInput(f"this request cannot be sent: {error}") from error
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise Unavailable(f"'{_host(target)}' cannot be called now") from error

    def _check(self, url: str) -> httpx.URL:
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise ForbiddenAddress("the URL cannot be read", field="url") from error
        if target.scheme not in _PORTS or not target.raw_host:
            raise ForbiddenAddress("a URL that is called must begin with http:// or https://", field="url")
        if target.userinfo:
            raise ForbiddenAddress("a URL that is called may not hold a user name", field="url")
        port = _port(target)
        if port not in self._ports:
            raise ForbiddenAddress(f"port {port} may not be called", field="url")
        return target

    async def _send(self, method: str, target: httpx.URL, headers: Mapping[str, str], content: bytes) -> Reply:
        given = {name.lower(): value for name, value in headers.items()}
        own = {"accept-encoding": "identity", "user-agent": "chorus", **given, "host": target.netloc.decode()}
        async with self._pool.stream(
            method,
            httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=_port(target), target=target.raw_path),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in own.items()],
            content=content,
        ) as response:
            body, truncated = await self._read(response)
        names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Reply(response.status, names, body, truncated)

    async def _read(self, response: httpcore.Response) -> tuple[bytes, bool]:
        body = bytearray()
        stream = cast(AsyncGenerator[bytes], response.aiter_stream())
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > self._max_body_bytes:
                    return bytes(body[: self._max_body_bytes]), True
        return bytes(body), False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._pool.aclose()


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens the pool's connections. Nothing else resolves a name: what it hands on is an address."""

    def __init__(self, networks: Sequence[Network], resolve: Resolve) -> None:
        self._networks = networks
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers, if every one of them is allowed."""
        addresses = await self._addresses(host, port)
        *others, last = addresses[:_MAX_ATTEMPTS]
        for address in others:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout=_ATTEMPT_TIMEOUT)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(str(last), port)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        addresses = [ip_address(text) for text in await self._resolve(host, port)]
        if not addresses:
            raise OSError(f"'{host}' has no address")
        if not all(is_allowed(address, self._networks) for address in addresses):
            # The address itself is not told: it would map the inner network for whoever asks.
            raise ForbiddenAddress(f"the address of '{host}' may not be called", field="url")
        return addresses


async def resolve_name(host: str, port: int) -> list[str]:
    """Return the addresses of a host, best first, as the operating system finds them (RFC 6724).

    Cancelling it is safe, but a thread of the event loop's own goes on asking until the system gives up.

    Raises:
        OSError: there is no such name, or no name server answers.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(address[0] for *_, address in found))


def _host(target: httpx.URL) -> str:
    return target.raw_host.decode("ascii")  # `host` would decode punycode, which may be broken, or look like another


def _port(target: httpx.URL) -> int:
    return _PORTS[target.scheme] if target.port is None else target.port
