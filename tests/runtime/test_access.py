import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from app.runtime.access import AccessMiddleware
from app.runtime.credentials import CredentialMiddleware
from app.runtime.logs import configure
from tests.live_server import live_server
from tests.runtime.test_logs import untouched_logging

pytestmark = pytest.mark.anyio
__all__ = ["untouched_logging"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(untouched_logging: None) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure(logging.DEBUG, json=True, stream=stream)
    yield stream


def told(lines: io.StringIO) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [record for record in records if record["logger"] == "app.access"]


def scope(kind: str = "http", headers: dict[str, str] | None = None) -> Scope:
    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "type": kind,
        "method": "GET",
        "path": "/a b\n",
        "query_string": b"q=hush",
        "headers": pairs,
        "client": ("192.0.2.1", 1),
    }


async def call(app: ASGIApp, scope: Scope, *received: Message) -> list[Message]:
    sent: list[Message] = []
    waiting = list(received)

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await AccessMiddleware(app, new_id=lambda: "fresh", clock=Clock())(scope, receive, send)
    return sent


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-ID", b"own")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_request_has_one_line(lines: io.StringIO) -> None:
    await call(hello, scope())
    (line,) = told(lines)
    expected = {"method": "GET", "path": "/a b\n", "status": 200, "client": "192.0.2.1", "request_id": "fresh"}
    assert expected.items() <= line.items()
    assert "hush" not in lines.getvalue()


async def test_duration_is_measured_to_the_end(lines: io.StringIO) -> None:
    clock = Clock()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        clock.now += 1.5

    async def nothing(*_: object) -> Any: ...

    await AccessMiddleware(slow, clock=clock)(scope(), nothing, nothing)
    assert told(lines)[0]["duration_ms"] == 1500.0


@pytest.mark.parametrize(
    ("given", "used"),
    [("abc-1.2_Z", "abc-1.2_Z"), ("a b", "fresh"), ("", "fresh"), ("x" * 65, "fresh"), ("a\nb", "fresh")],
)
async def test_sane_ids_are_kept_and_answered(lines: io.StringIO, given: str, used: str) -> None:
    request = scope(headers={"x-request-id": given})
    start, _ = await call(hello, request)
    assert start["headers"] == [(b"x-request-id", used.encode())]
    assert request["state"]["request_id"] == told(lines)[0]["request_id"] == used


async def test_failure_and_cancellation_are_told(lines: io.StringIO) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("why")

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep_forever()

    with pytest.raises(KeyError):
        await call(broken, scope())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, endless, scope())
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert [line["status"] for line in told(lines)] == [None, None]


async def test_lifespan_passes_untouched(lines: io.StringIO) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope == {"type": "lifespan"}

    await call(app, {"type": "lifespan"})
    assert told(lines) == []


ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close", "code": 4001}
GONE: Message = {"type": "websocket.disconnect", "code": 1001}
DENIAL: list[Message] = [
    {"type": "websocket.http.response.start", "status": 429, "headers": []},
    {"type": "websocket.http.response.body", "body": b""},
]


@pytest.mark.parametrize(
    ("sends", "receives", "status", "code"),
    [
        ([ACCEPT, CLOSE], [], 101, 4001),
        ([ACCEPT], [GONE], 101, 1001),
        ([ACCEPT], [{"type": "websocket.disconnect"}], 101, 1005),
        ([ACCEPT, CLOSE], [GONE], 101, 4001),
        ([ACCEPT, {"type": "websocket.close"}, CLOSE], [], 101, 1000),
        ([ACCEPT, {"type": "websocket.send", "text": "x"}], [{"type": "websocket.receive"}], 101, None),
        ([CLOSE], [], 403, None),
        (DENIAL, [], 429, None),
        ([], [GONE, GONE], None, 1001),
    ],
)
async def test_websocket_has_one_line(
    lines: io.StringIO, sends: list[Message], receives: list[Message], status: int | None, code: int | None
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in sends:
            await send(message)
        for _ in receives:
            await receive()

    await call(app, scope("websocket"), *receives)
    (line,) = told(lines)
    assert (line["status"], line["code"], line["connection_id"]) == (status, code, "fresh")
    assert "method" not in line


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a WebSocket that says please, answer HTTP."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await hello(scope, receive, send)
    else:
        await receive()
        if b"please" in scope["query_string"]:
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})


async def test_nothing_of_a_query_or_header_is_logged_on_a_real_server(lines: io.StringIO) -> None:
    headers = {"Authorization": "Bearer hush"}
    async with live_server(CredentialMiddleware(AccessMiddleware(greet))) as server, httpx.AsyncClient() as client:
        response = await client.get(f"{server.url}/talk?private=hush&token=hush", headers=headers)
        url = f"{server.ws_url}/talk?private=hush&token=hush"
        async with connect(f"{url}&please", additional_headers=headers, proxy=None) as socket:
            await socket.wait_closed()
        with pytest.raises(InvalidStatus):
            await connect(url, additional_headers=headers, proxy=None)
    assert "hush" not in lines.getvalue()
    http, accepted, refused = told(lines)
    assert response.headers["x-request-id"] == http["request_id"]
    assert (http["path"], http["status"]) == ("/talk", 200)
    assert (accepted["status"], accepted["code"], refused["status"]) == (101, 1000, 403)
