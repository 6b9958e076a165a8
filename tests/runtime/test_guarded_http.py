import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tests.live_server import LiveServer, live_server
from tests.runtime.loop import PRODUCT, both_loops
from tests.wire import BINARY, Wire, frame, wire

pytestmark = pytest.mark.anyio

SOON = 0.3  # seconds: the deadlines of these tests
GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return PRODUCT


@dataclass
class App:
    """Answers with the size of the body, when it may; echoes over WebSocket."""

    answers: anyio.Event = field(default_factory=anyio.Event)
    begun: anyio.Event = field(default_factory=anyio.Event)
    reads: bool = True
    answer: bytes | None = None
    last: Message | None = None

    def __post_init__(self) -> None:
        self.answers.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._echo(receive, send)
            return
        assert scope["type"] == "http"
        self.begun.set()
        size = await self._read(receive) if self.reads else 0
        await self.answers.wait()
        body = self.answer or str(size).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, receive: Receive) -> int:
        size = 0
        self.last = await receive()
        while self.last["type"] == "http.request":
            size += len(self.last["body"])
            if not self.last["more_body"]:
                break
            self.last = await receive()
        return size

    async def _echo(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})


async def read_answer(client: Wire) -> bytes:
    """Return the body of a response."""
    head = (await client.read_head()).lower()
    return await client.read(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


# Heads


@pytest.mark.parametrize("beginning", [b"G", GET[:-2], b"\r\n"], ids=["a byte", "all but the end", "an empty line"])
async def test_head_that_is_not_completed_is_answered_408(beginning: bytes) -> None:
    async with live_server(App(), head_timeout=SOON) as live, wire(live.port) as client:
        await client.send(beginning)
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 408")
        await live.emptied()


@both_loops
async def test_connection_without_a_byte_is_closed_without_an_answer() -> None:
    async with live_server(App(), head_timeout=SOON) as live, wire(live.port) as client:
        assert await client.read_to_end() == b""
        await live.emptied()


async def test_head_may_not_be_trickled() -> None:
    async with live_server(App(), head_timeout=SOON) as live, wire(live.port) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(trickle, client, GET[:-4] + b"\r\nX: " + b"x" * 1000)
            assert (await client.read_to_end()).startswith(b"HTTP/1.1 408")
            tasks.cancel_scope.cancel()
        await live.emptied()


async def trickle(client: Wire, data: bytes) -> None:
    with suppress(ConnectionError):
        for number in range(len(data)):
            await client.send(data[number : number + 1])
            await anyio.sleep(SOON / 20)


@both_loops
async def test_next_head_on_a_connection_has_the_deadline_too() -> None:
    async with live_server(App(), head_timeout=SOON) as live, wire(live.port) as client:
        await client.send(GET)
        assert await read_answer(client) == b"0"
        await client.send(b"G")
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 408")
        await live.emptied()


async def test_head_in_two_parts_is_served() -> None:
    async with live_server(App(), head_timeout=10 * SOON) as live, wire(live.port) as client:
        for part in (GET[:10], GET[10:] + GET[:10], GET[10:]):
            await client.send(part)
            await anyio.sleep(SOON / 10)
        assert await read_answer(client) == b"0"
        assert await read_answer(client) == b"0"


async def test_head_waits_for_the_answer_to_the_request_before() -> None:
    app = App()
    app.answers = anyio.Event()
    async with live_server(app, head_timeout=SOON, keep_alive_timeout=0) as live, wire(live.port) as client:
        await client.send(GET + GET[:10])
        await anyio.sleep(3 * SOON)
        app.answers.set()
        assert await read_answer(client) == b"0"
        await client.send(GET[10:])
        assert await read_answer(client) == b"0"


async def test_endless_head_is_answered_431() -> None:
    async with live_server(App()) as live, wire(live.port) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(send_until_refused, client, GET[:-2] + b"X: x\r\n" * 1_000_000)
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 431")
        await live.emptied()


async def send_until_refused(client: Wire, data: bytes) -> None:
    with suppress(ConnectionError):
        await client.send(data)


async def test_upgrade_ends_the_deadlines_of_the_head() -> None:
    async with live_server(App(), head_timeout=SOON, stall_timeout=SOON) as live, wire(live.port) as client:
        await client.send(POST % 3 + b"abc")
        assert await read_answer(client) == b"3"
        assert (await client.open()).startswith(b"HTTP/1.1 101")
        await anyio.sleep(2 * SOON)
        await client.send(frame(BINARY, b"x"))
        assert await client.read_frame() == (BINARY, b"x")


async def test_upgrade_to_something_else_is_served_as_it_is() -> None:
    async with live_server(App(), keep_alive_timeout=1) as live, wire(live.port) as client:
        await client.send(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert await read_answer(client) == b"0"
        await client.read_to_end()
        await live.emptied()


@both_loops
@pytest.mark.parametrize("leave", [Wire.reset, Wire.half_close])
@pytest.mark.parametrize("said", [b"", b"G", GET, POST % 10 + b"x"])
async def test_client_that_leaves_leaves_nothing(said: bytes, leave: Callable[[Wire], None]) -> None:
    async with live_server(App()) as live, wire(live.port) as client:
        await client.send(said)
        leave(client)
        await live.emptied()


# Bodies


async def test_slow_upload_is_served() -> None:
    async with live_server(App(), head_timeout=SOON, stall_timeout=SOON) as live, wire(live.port) as client:
        await client.send(POST % 2000)
        for _ in range(20):
            await client.send(bytes(100))
            await anyio.sleep(SOON / 6)
        assert await read_answer(client) == b"2000"


async def test_large_upload_is_served() -> None:
    async with live_server(App()) as live, httpx.AsyncClient() as client:
        assert (await client.post(live.url, content=bytes(20_000_000))).text == "20000000"


@both_loops
async def test_body_that_is_held_open_is_answered_408() -> None:
    app = App()
    async with live_server(app, stall_timeout=SOON) as live, wire(live.port) as client:
        async with anyio.create_task_group() as tasks:
            await client.send(POST % 1000)
            tasks.start_soon(trickle, client, bytes(1000))
            assert (await client.read_to_end()).startswith(b"HTTP/1.1 408")
            tasks.cancel_scope.cancel()
        await live.emptied()
    assert app.last == {"type": "http.disconnect"}


async def test_body_waits_until_it_is_asked_for() -> None:
    app = App(reads=False)
    app.answers = anyio.Event()
    async with live_server(app, stall_timeout=SOON) as live, wire(live.port) as client:
        await client.send(POST[:-2] % 5 + b"Expect: 100-continue\r\n\r\n")
        await anyio.sleep(3 * SOON)
        app.answers.set()
        assert await read_answer(client) == b"0"
        await client.send(b"hello" + GET)
        assert await read_answer(client) == b"0"


async def test_body_waits_until_the_application_reads() -> None:
    class Late(App):
        async def _read(self, receive: Receive) -> int:
            await anyio.sleep(3 * SOON)
            return await super()._read(receive)

    async with live_server(Late(), stall_timeout=SOON) as live, httpx.AsyncClient() as client:
        assert (await client.post(live.url, content=bytes(3_000_000))).text == "3000000"


@both_loops
async def test_body_that_outlives_its_answer_ends() -> None:
    async with live_server(App(reads=False), stall_timeout=SOON) as live, wire(live.port) as client:
        async with anyio.create_task_group() as tasks:
            await client.send(POST % 1_000_000_000)
            tasks.start_soon(send_until_refused, client, bytes(1_000_000_000))
            assert await read_answer(client) == b"0"
            assert await client.read_to_end() == b""
        await live.emptied()


# Clients that do not read


@both_loops
async def test_client_that_does_not_read_its_answer_is_freed() -> None:
    app = App(answer=bytes(20_000_000))
    async with live_server(app, stall_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(GET)
            await app.begun.wait()
            await live.emptied()


@both_loops
async def test_client_that_half_closes_and_reads_on_gets_what_was_sent() -> None:
    app = App(answer=bytes(12_000_000))
    async with live_server(app) as live, wire(live.port, receive_buffer=65_536) as client:
        await client.send(GET)
        await client.read_head()
        client.half_close()
        await anyio.sleep(SOON / 3)
        assert len(await client.read_to_end()) == 12_000_000
        await live.emptied()


@both_loops
async def test_client_that_reads_slowly_gets_its_answer() -> None:
    app = App(answer=bytes(12_000_000))
    async with live_server(app, stall_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=65_536) as client:
            await client.send(GET)
            await client.read_head()
            for _ in range(30):
                await client.read(400_000)
                await anyio.sleep(SOON / 6)


def ignore_in_kernel(live: LiveServer) -> None:
    """Leave stalled peers to the server's own watch."""
    if sys.platform == "linux":
        live.server.servers[0].sockets[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)


@both_loops
async def test_shutdown_waits_for_an_answer_that_is_being_made() -> None:
    app = App()
    app.answers = anyio.Event()
    async with live_server(app) as live, wire(live.port) as client, wire(live.port):
        await client.send(GET)
        await app.begun.wait()
        live.server.stop()
        await anyio.sleep(SOON)
        app.answers.set()
        assert await read_answer(client) == b"0"
