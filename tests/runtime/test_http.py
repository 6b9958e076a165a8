import gzip
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trustme
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import DeadlineExceeded, ForbiddenAddress, InvalidInput, Unavailable
from app.runtime.http import HttpClient, resolve_name

pytestmark = pytest.mark.anyio

Handle = Callable[[ByteStream], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Part: a\r\n\r\nhello"


@asynccontextmanager
async def listening(handle: Handle, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Handle connections until the block is left; yield the port."""
    listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    async with listener, anyio.create_task_group() as tasks:

        async def forgiving(stream: ByteStream) -> None:
            async with stream:
                try:
                    await handle(stream)
                except (anyio.BrokenResourceError, anyio.EndOfStream):
                    return

        tasks.start_soon(listener.serve, forgiving)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


class Resolver:
    """Knows one name; counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers[min(self.asked, len(self._answers)) - 1]


def client(port: int, resolve: Any = None, **settings: Any) -> HttpClient:
    settings = {"allowed_networks": ["127.0.0.0/8"], "ports": {port, 80, 443}, **settings}
    return HttpClient(resolve=resolve or Resolver(["127.0.0.1"]), **settings)


def answering(reply: bytes, requests: list[bytes] | None = None) -> Handle:
    async def handle(stream: ByteStream) -> None:
        request = await stream.receive()
        if requests is not None:
            requests.append(request)
        await stream.send(reply)

    return handle


async def test_call_sends_and_receives() -> None:
    requests: list[bytes] = []
    async with listening(answering(OK, requests)) as port, client(port) as http:
        headers = {"Content-Type": "application/json", "User-Agent": "own"}
        reply = await http.call("POST", f"http://hook.example:{port}/a%20b?c=d", headers=headers, content=b"{}")
    assert (reply.status, reply.body, reply.truncated, reply.headers["x-part"]) == (200, b"hello", False, "a")
    head, _, body = b"".join(requests).partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /a%20b?c=d http/1.1"
    assert {f"host: hook.example:{port}", "content-length: 2", "user-agent: own"} <= set(lines)
    assert body == b"{}"


async def test_name_cannot_be_bound_to_another_address_after_the_check() -> None:
    resolve = Resolver(["127.0.0.1"], ["169.254.169.254"])
    async with listening(answering(OK)) as port, client(port, resolve) as http:
        await http.call("GET", f"http://hook.example:{port}/")
    assert resolve.asked == 1


async def refuse_connections(stream: ByteStream) -> None:
    pytest.fail("somebody connected")


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]]
)
async def test_one_forbidden_address_forbids_the_name(addresses: list[str]) -> None:
    async with (
        listening(refuse_connections) as port,
        client(port, Resolver(addresses), allowed_networks=[]) as http,
    ):
        with pytest.raises(ForbiddenAddress, match=r"'hook\.example'") as caught:
            await http.call("GET", f"http://hook.example:{port}/")
    assert caught.value.field == "url"
    assert not any(address in str(caught.value) for address in addresses)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/",
        "file:///etc/passwd",
        "//h/",
        "h",
        "",
        "http://",
        "http:///x",
        "http://h:22/",
        "http://h:0/",
        "http://user@h/",
        "http://u:p@h/",
        "http://good.example\\@h/",
        "http://h\n/",
        "http://[::1/",
        "http://h:99999/",
    ],
)
async def test_url_must_be_of_the_web(url: str) -> None:
    resolve = Resolver(["8.8.8.8"])
    async with client(80, resolve) as http:
        with pytest.raises(ForbiddenAddress):
            await http.call("GET", url)
    assert resolve.asked == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::1]", "0"])
async def test_spellings_of_home_are_forbidden(host: str) -> None:
    async with HttpClient() as http:
        with pytest.raises(ForbiddenAddress):
            await http.call("GET", f"http://{host}/")


async def test_redirect_is_an_answer() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    async with listening(answering(moved)) as port, client(port) as http:
        reply = await http.call("GET", f"http://hook.example:{port}/")
    assert (reply.status, reply.headers["location"]) == (302, "http://127.0.0.1/")


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with listening(answering(OK)) as port, client(port) as http:
        assert (await http.call("GET", f"http://hook.example:{port}/")).status == 200


async def test_endless_body_is_cut() -> None:
    async def endless(stream: ByteStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 10_000)

    async with listening(endless) as port, client(port) as http:
        reply = await http.call("GET", f"http://hook.example:{port}/")
    assert reply.truncated
    assert len(reply.body) == 65_536


async def test_body_at_the_limit_is_whole() -> None:
    async with listening(answering(OK)) as port, client(port, max_body_bytes=5) as http:
        reply = await http.call("GET", f"http://hook.example:{port}/")
    assert (reply.body, reply.truncated) == (b"hello", False)


async def test_body_is_not_decompressed() -> None:
    bomb = gzip.compress(b"\x00" * 1_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with listening(answering(head + bomb)) as port, client(port) as http:
        assert (await http.call("GET", f"http://hook.example:{port}/")).body == bomb


async def silent(stream: ByteStream) -> None:
    await anyio.sleep_forever()


async def trickling(stream: ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await stream.send(b"x")
        await anyio.sleep(0.01)


@pytest.mark.parametrize("handle", [silent, trickling])
async def test_the_whole_call_has_a_deadline(handle: Handle) -> None:
    async with listening(handle) as port, client(port, deadline=0.2) as http:
        with pytest.raises(DeadlineExceeded, match=r"'hook\.example'"):
            await http.call("GET", f"http://hook.example:{port}/")


async def test_name_server_has_the_same_deadline() -> None:
    async def stalled(host: str, port: int) -> Sequence[str]:
        await anyio.sleep_forever()
        return []

    async with client(80, stalled, deadline=0.05) as http:
        with pytest.raises(DeadlineExceeded):
            await http.call("GET", "http://hook.example/")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_name_that_cannot_exist_is_unavailable(host: str) -> None:
    async with HttpClient() as http:
        with pytest.raises(Unavailable):
            await http.call("GET", f"http://{host}/")


PLAIN = ssl.create_default_context()


@given(st.one_of(st.text(), st.text().map("http://{}/".format), st.text().map("http://xn--{}.example/".format)))
@example("http://xn--" + "a" * 80)
def test_law_every_url_is_answered_with_an_error_of_ours(url: str) -> None:
    async def call() -> None:
        async with client(80, Resolver([]), tls=PLAIN) as http:
            with pytest.raises((ForbiddenAddress, Unavailable)):
                await http.call("GET", url)

    anyio.run(call)


async def unknown(host: str, port: int) -> Sequence[str]:
    raise OSError("no such name")


@pytest.mark.parametrize("resolve", [unknown, Resolver([])])
async def test_host_without_an_address_is_unavailable(resolve: Any) -> None:
    async with client(80, resolve) as http:
        with pytest.raises(Unavailable, match=r"'hook\.example'"):
            await http.call("GET", "http://hook.example/")


@pytest.mark.parametrize("reply", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"])
async def test_host_that_breaks_the_protocol_is_unavailable(reply: bytes) -> None:
    async with listening(answering(reply)) as port, client(port) as http:
        with pytest.raises(Unavailable):
            await http.call("GET", f"http://hook.example:{port}/")


async def test_host_that_does_not_listen_is_unavailable() -> None:
    async with listening(silent) as port:
        pass
    async with client(port) as http:
        with pytest.raises(Unavailable):
            await http.call("GET", f"http://hook.example:{port}/")


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"bad name": "x"}, {"X": "中"}])
async def test_header_that_cannot_be_sent_is_the_callers_fault(headers: dict[str, str]) -> None:
    async with listening(silent) as port, client(port) as http:
        with pytest.raises(InvalidInput) as caught:
            await http.call("GET", f"http://hook.example:{port}/", headers=headers)
    assert not isinstance(caught.value, ForbiddenAddress)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
async def test_next_address_is_tried_when_one_does_not_answer() -> None:
    resolve = Resolver(["127.0.0.2", "127.0.0.3", "127.0.0.1"])
    async with listening(answering(OK)) as port, client(port, resolve) as http:
        assert (await http.call("GET", f"http://hook.example:{port}/")).status == 200


async def test_cancelled_call_closes_its_connection() -> None:
    connected, closed = anyio.Event(), anyio.Event()

    async def handle(stream: ByteStream) -> None:
        await stream.receive()
        connected.set()
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()
        closed.set()

    async with listening(handle) as port, client(port) as http:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(http.call, "GET", f"http://hook.example:{port}/")
            await connected.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await closed.wait()


@asynccontextmanager
async def tls_listening(authority: trustme.CA, name: str, asked: list[str]) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)

    def note(connection: ssl.SSLObject, server_name: str, context: ssl.SSLContext) -> None:
        asked.append(server_name)

    context.sni_callback = note

    async def handle(stream: ByteStream) -> None:
        try:
            secure = await TLSStream.wrap(stream, ssl_context=context, standard_compatible=False)
        except ssl.SSLError:
            return
        await answering(OK)(secure)

    async with listening(handle) as port:
        yield port


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_certificate_is_checked_against_the_name(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    asked: list[str] = []
    async with (
        tls_listening(authority, "hook.example", asked) as port,
        client(port, tls=trusting) as http,
    ):
        reply = await http.call("GET", f"https://hook.example:{port}/")
        assert (reply.status, asked) == (200, ["hook.example"])
        with pytest.raises(Unavailable):
            await http.call("GET", f"https://other.example:{port}/")


async def test_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    async with tls_listening(authority, "hook.example", []) as port, client(port) as http:
        with pytest.raises(Unavailable):
            await http.call("GET", f"https://hook.example:{port}/")


async def test_names_are_resolved_by_the_system() -> None:
    assert {"127.0.0.1", "::1"} & set(await resolve_name("localhost", 80))
    assert await resolve_name("192.0.2.1", 80) == ["192.0.2.1"]
