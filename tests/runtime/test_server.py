import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.runtime import server as server_module
from app.runtime.server import Server, SocketLimits, make_config
from tests.live_server import live_server
from tests.runtime.loop import PRODUCT, both_loops
from tests.wire import TEXT, frame, handshake, wire

pytestmark = pytest.mark.anyio

SOON = 0.3


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return PRODUCT


@pytest.fixture
def signals() -> Iterator[list[int]]:
    """Signals that come through to the process, as the server gives them back when it has ended."""
    caught: list[int] = []
    handlers = {number: signal.signal(number, lambda sig, _: caught.append(sig)) for number in HANDLED}
    yield caught
    for number, handler in handlers.items():
        signal.signal(number, handler)


HANDLED = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Product:
    """An application with a busy and an idle socket, and a drain that knows both."""

    draining: anyio.Event = field(default_factory=anyio.Event)
    done: anyio.Event = field(default_factory=anyio.Event)
    events: list[str] = field(default_factory=list)
    idle: list[WebSocket] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI(lifespan=self._lifespan)
        app.add_api_route("/health", lambda: "alive")
        app.add_api_route("/endless", self._endless)
        app.add_api_route("/client", self._client)
        app.add_api_websocket_route("/busy", self._busy)
        app.add_api_websocket_route("/idle", self._idle)
        return app

    async def drain(self) -> None:
        self.draining.set()
        for websocket in self.idle:
            await websocket.close(1012)
        await self.done.wait()
        self.events.append("drained")

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        yield
        self.events.append("lifespan ended")

    async def _client(self, request: Request) -> str:
        return request.client.host if request.client else ""

    async def _endless(self) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await anyio.sleep(0.01)

        return StreamingResponse(parts())

    async def _busy(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect as end:
            self.events.append(f"busy {end.code}")

    async def _idle(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.idle.append(websocket)
        await websocket.receive()


# The end


@both_loops
async def test_server_answers_while_it_drains_and_leaves_busy_sockets_alone() -> None:
    product = Product()
    async with live_server(product.app(), drain=product.drain) as live, wire(live.port) as busy:
        await busy.open("/busy")
        async with httpx.AsyncClient() as http:
            live.server.stop()
            await product.draining.wait()
            assert (await http.get(live.url + "/health")).status_code == 200
        await busy.send(frame(TEXT, b"still here"))
        assert await busy.read_frame() == (TEXT, b"still here")
        product.done.set()
        assert (await busy.read_close())[0] == 1012
    assert product.events == ["drained", "busy 1012", "lifespan ended"]


async def test_drain_closes_idle_sockets_at_once() -> None:
    product = Product()
    async with live_server(product.app(), drain=product.drain) as live, wire(live.port) as idle:
        await idle.open("/idle")
        live.server.stop()
        assert (await idle.read_close())[0] == 1012
        assert product.events == []
        product.done.set()


@both_loops
async def test_drain_that_takes_too_long_is_left(caplog: pytest.LogCaptureFixture) -> None:
    product = Product()
    serving = live_server(product.app(), drain=product.drain, graceful_timeout=SOON)
    async with serving as live, wire(live.port) as busy:
        await busy.open("/busy")
        live.server.stop()
        assert (await busy.read_close())[0] == 1012
    assert product.events == ["busy 1012", "lifespan ended"]
    assert "not drained within 0.3 s" in caplog.messages


async def test_nothing_is_accepted_after_the_drain() -> None:
    product = Product()
    product.done.set()
    async with live_server(product.app(), drain=product.drain) as live, wire(live.port) as last:
        await last.open("/busy")
        live.server.stop()
        await last.read_close()
        with pytest.raises(ConnectionRefusedError):
            async with wire(live.port):
                pass


@both_loops
async def test_response_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CLOSING_SECONDS", SOON)
    product = Product()
    async with live_server(product.app(), graceful_timeout=SOON) as live, wire(live.port) as client:
        await client.send(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.read_head()
        live.server.stop()
        await client.read_to_end()
        await live.emptied()
    assert product.events == ["lifespan ended"]


@both_loops
async def test_client_that_does_not_read_does_not_hold_the_server() -> None:
    began = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        began.set()
        await send({"type": "http.response.body", "body": bytes(20_000_000)})

    async with live_server(app, stall_timeout=SOON) as live, wire(live.port, receive_buffer=4096) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await began.wait()
        live.server.stop()
        await live.emptied()


@pytest.mark.parametrize("number", HANDLED)
async def test_signal_drains(number: signal.Signals, signals: list[int]) -> None:
    product = Product()
    product.done.set()
    async with live_server(product.app(), drain=product.drain) as live, wire(live.port) as busy:
        await busy.open("/busy")
        signal.raise_signal(number)
        assert (await busy.read_close())[0] == 1012
    assert product.events == ["drained", "busy 1012", "lifespan ended"]
    assert signals == [number]


@both_loops
async def test_second_signal_forces_the_end(signals: list[int]) -> None:
    product = Product()
    async with live_server(product.app(), drain=product.drain) as live, wire(live.port) as busy:
        await busy.open("/busy")
        signal.raise_signal(signal.SIGTERM)
        await product.draining.wait()
        signal.raise_signal(signal.SIGTERM)
        await busy.read_to_end()
    assert product.events == []
    assert signals == [signal.SIGTERM] * 2


async def test_date_stays_true_while_the_server_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    async with live_server(product.app(), drain=product.drain) as live, httpx.AsyncClient() as http:
        before = (await http.get(live.url + "/health")).headers["date"]
        live.server.stop()
        with anyio.fail_after(10):
            while (await http.get(live.url + "/health")).headers["date"] == before:  # noqa: ASYNC110 as a client would
                await anyio.sleep(0.1)
        product.done.set()


# The beginning


@both_loops
async def test_application_that_does_not_start_is_an_error() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    with pytest.RaisesGroup(RuntimeError):
        async with live_server(FastAPI(lifespan=lifespan)):
            pass


async def test_server_binds_the_address_of_its_configuration() -> None:
    config = make_config(FastAPI(), host="127.0.0.1", port=0, limits_for=lambda path: SocketLimits(1, 1.0))
    server = Server(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        await server.serving.wait()
        async with wire(server.servers[0].sockets[0].getsockname()[1]) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await client.read_head()).startswith(b"HTTP/1.1 404")
        server.stop()


async def test_unix_socket_is_served(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    config = make_config(FastAPI(), host="", port=0, limits_for=lambda path: SocketLimits(1, 1.0))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        server = Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            await server.serving.wait()
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path)) as http:
                assert (await http.get("http://localhost/")).status_code == 404
            server.stop()


# Settings


async def test_compression_is_not_agreed_to_and_the_server_does_not_name_itself() -> None:
    async with live_server(Product().app()) as live, wire(live.port) as client:
        head = await client.open("/idle", "Sec-WebSocket-Extensions: permessage-deflate")
        assert b"extensions" not in head.lower()
        assert b"server:" not in head.lower()


async def test_forwarded_address_is_not_believed_unless_the_proxy_is_named() -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    for proxies, address in (((), "127.0.0.1"), (("127.0.0.0/8",), "203.0.113.9"), (("10.0.0.1",), "127.0.0.1")):
        async with live_server(Product().app(), forwarded_allow_ips=proxies) as live, httpx.AsyncClient() as http:
            assert (await http.get(live.url + "/client", headers=headers)).json() == address


@pytest.mark.parametrize("proxy", ["*", "0.0.0.0/0", "::/0", "proxy.example"])
def test_proxy_that_lets_clients_choose_their_address_is_refused(proxy: str) -> None:
    with pytest.raises(ValueError):
        make_config(
            FastAPI(),
            host="127.0.0.1",
            port=0,
            limits_for=lambda path: SocketLimits(1, 1.0),
            forwarded_allow_ips=["10.0.0.1", proxy],
        )


async def test_no_line_has_the_query_of_a_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="uvicorn.access")
    caplog.set_level(logging.DEBUG, logger="uvicorn.error")
    async with live_server(Product().app()) as live, wire(live.port) as client:
        await client.send(b"GET /health?token=secret HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.read_head()
        await client.send(handshake("/nowhere?token=secret"))
        await client.read_head()
    assert "secret" not in caplog.text
