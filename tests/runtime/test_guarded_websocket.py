import ast
import logging
import socket
import struct
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send
from websockets.frames import apply_mask

from app.runtime import guarded_websocket, large_frame
from app.runtime.guarded_websocket import EXTENSION, FREE_FRAGMENTS, LEAST_FRAGMENT, MAX_CONTROL_FRAMES
from app.runtime.large_frame import LARGE_BYTES, LargeFrame
from app.runtime.server import SocketLimits
from tests.live_server import LiveServer, live_server
from tests.runtime.loop import PRODUCT, both_loops
from tests.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Wire, frame, handshake, header, wire

pytestmark = pytest.mark.anyio

LIMIT = 1_000
LARGE = 10_000_000
SOON = 0.3  # seconds: the deadlines of these tests
LATER = 4 * SOON


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return PRODUCT


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_websocket, "LINGER", SOON)


def limits_for(path: str) -> SocketLimits:
    return SocketLimits(LARGE if path.startswith("/large") else LIMIT, SOON if path.endswith("/soon") else 30.0)


Conversation = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class App:
    """Accepts, converses, and notes how the connection ended."""

    converse: Conversation | None = None
    accepts: bool = True
    endings: list[Message] = field(default_factory=list)
    connected: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        if self.accepts:
            await send({"type": "websocket.accept"})
        self.connected.set()
        if self.converse is not None:
            await self.converse(scope, receive, send)
        await self._echo(receive, send)

    async def _echo(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        self.endings.append(message)


class EndOfApplication(Exception):
    """Leaves a conversation."""


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    with pytest.raises(OSError):
        while True:
            await send({"type": "websocket.send", "bytes": bytes(65_536)})


def serve(app: Any, **limits: Any) -> Any:
    return live_server(app, limits_for=limits_for, **limits)


def ignore_in_kernel(live: LiveServer) -> None:
    """Leave stalled peers to the server's own watch."""
    if sys.platform == "linux":
        live.server.servers[0].sockets[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)


# The size of messages


async def test_message_of_the_limit_passes() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(frame(BINARY, b"x" * LIMIT))
        assert await client.read_frame() == (BINARY, b"x" * LIMIT)


@both_loops
async def test_header_that_declares_more_ends_the_connection_before_any_payload() -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(header(BINARY, LIMIT + 1))
        assert (await client.read_close())[0] == 1009
        assert await client.read_to_end() == b""
        await live.emptied()
    assert app.endings[0]["code"] == 1009


async def test_each_path_has_its_own_limit() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large?x=1")
        await client.send(frame(BINARY, b"x" * (LIMIT + 1)))
        assert await client.read_frame() == (BINARY, b"x" * (LIMIT + 1))
        await client.send(header(BINARY, LARGE + 1))
        assert (await client.read_close())[0] == 1009


# Frames of megabytes

MANY = LARGE_BYTES + 12_345
MASK = b"\x01\x80\xfe\x37"


def large(opcode: int, payload: bytes, mask: bytes = MASK) -> bytes:
    """Return a frame whose mask does something."""
    head = header(opcode, len(payload))
    return head[:-4] + mask + apply_mask(payload, mask)


def some(size: int) -> bytes:
    return (bytes(range(1, 128)) * (size // 127 + 1))[:size]


class Spied(LargeFrame):
    """Counts the frames that go past the parser."""

    begun = 0

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        Spied.begun += 1


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> type[Spied]:
    monkeypatch.setattr(Spied, "begun", 0)
    monkeypatch.setattr(large_frame, "LargeFrame", Spied)
    return Spied


@both_loops
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("cuts", [(), (14,), (15, 16, 17, 100_001), (MANY + 13,), (MANY + 14,)])
async def test_frame_of_megabytes_comes_as_it_was_sent(opcode: int, cuts: tuple[int, ...], spied: type[Spied]) -> None:
    payload = some(MANY)
    data = large(opcode, payload) + frame(BINARY, b"next") + frame(PING, b"?")
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large")
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin, end in pairwise((0, *cuts, len(data))):
            await client.send(data[begin:end])
            await anyio.sleep(0.01)  # so that it is likely to come by itself; it is right in any case
        received = [await client.read_frame() for _ in range(3)]
        assert sorted(received) == sorted([(opcode, payload), (BINARY, b"next"), (PONG, b"?")])
        assert received.index((opcode, payload)) < received.index((BINARY, b"next"))
        await client.send(large(opcode, payload[::-1]))
        assert await client.read_frame() == (opcode, payload[::-1])
    assert spied.begun >= 1


async def test_text_of_megabytes_may_come_as_bytes() -> None:
    came: list[Message] = []

    async def converse(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][EXTENSION]["take_text_as_bytes"]()
        for _ in range(3):
            came.append(await receive())
            await send({"type": "websocket.send", "text": "came"})

    payload = "ä".encode() * (MANY // 2)
    async with serve(App(converse)) as live, wire(live.port) as client:
        await client.open("/large")
        for data in (large(TEXT, payload), frame(TEXT, b"short"), large(BINARY, payload)):
            await client.send(data)
            assert await client.read_frame() == (TEXT, b"came")
    assert [message.get("bytes") for message in came] == [payload, None, payload]
    assert came[1]["text"] == "short"


async def test_text_of_megabytes_that_is_none_ends_the_connection() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(large(TEXT, b"\xff" * MANY))
        assert (await client.read_close())[0] == 1007
        await live.emptied()


async def test_frame_of_megabytes_has_one_deadline() -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open("/large/soon")
        await client.send(large(BINARY, some(MANY))[:100_000])
        assert await client.read_close() == (1008, f"message not complete within {SOON:g} s")
        await client.send(bytes(100_000))
        await client.read_to_end()
        await live.emptied()
    assert app.endings[0]["code"] == 1008


async def test_client_that_leaves_in_a_frame_of_megabytes_is_forgotten() -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(large(BINARY, some(MANY))[:-1])
        client.reset()
        await live.emptied()
    assert app.endings[0]["type"] == "websocket.disconnect"


async def test_fragments_of_megabytes_are_the_parser_s(spied: type[Spied]) -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(frame(BINARY, some(MANY), fin=False) + frame(CONT, b"end"))
        assert await client.read_frame() == (BINARY, some(MANY) + b"end")
    assert spied.begun == 0


async def _take_all(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "taken"})


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fragments", [1, 2])
async def test_nobody_holds_a_message_that_was_taken(opcode: int, fragments: int) -> None:
    piece, pieces = b"x" * 65_536, 64
    async with serve(_take_all) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(frame(opcode, b"x"))
        await client.read_frame()
        tracemalloc.start()
        try:
            for number in range(fragments):
                is_last = number == fragments - 1
                await client.send(header(CONT if number else opcode, len(piece) * pieces, fin=is_last))
                for _ in range(pieces):
                    await client.send(piece)
            assert await client.read_frame() == (TEXT, b"taken")
            held, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert held < len(piece) * pieces // 4 < most


@both_loops
async def test_client_in_the_middle_of_a_large_upload_reads_why_it_ends() -> None:
    async with serve(App()) as live, wire(live.port) as client, anyio.create_task_group() as tasks:
        await client.open("/small")
        tasks.start_soon(_send_until_refused, client, header(BINARY, LARGE) + bytes(LARGE))
        assert (await client.read_close())[0] == 1009
        await client.read_to_end()
        await live.emptied()


async def _send_until_refused(client: Wire, data: bytes) -> None:
    with suppress(ConnectionError):
        await client.send(data)


async def test_fragments_are_summed() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(frame(BINARY, bytes(LIMIT - 1), fin=False) + frame(CONT, bytes(2)))
        assert (await client.read_close())[0] == 1009
        await live.emptied()


async def test_fragments_make_one_message() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(frame(TEXT, b"a", fin=False) + frame(CONT, b"b", fin=False) + frame(CONT, b"c"))
        assert await client.read_frame() == (TEXT, b"abc")


@both_loops
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
async def test_text_of_any_size_comes_back_in_one_frame(size: int) -> None:
    text = "é".encode() * (size // 2) + b"x" * (size % 2)
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large")
        for _ in range(3):
            await client.send(frame(TEXT, text))
            assert await client.read_frame() == (TEXT, text)


@both_loops
async def test_messages_are_sent_now_while_the_connection_is_open_and_writable() -> None:
    told: list[bool] = []

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        send_now = scope["extensions"][EXTENSION]["send_now"]
        told.append(send_now("now") and send_now(b"bytes"))
        await send({"type": "websocket.send", "text": "then"})
        while send_now("x" * 65_536):
            pass
        await send({"type": "websocket.close", "code": 1000})
        told.append(send_now("too late"))

    async with serve(App(talk)) as live, wire(live.port) as client:
        await client.open("/small")
        heard = [await client.read_frame() for _ in range(3)]
        assert heard == [(TEXT, b"now"), (BINARY, b"bytes"), (TEXT, b"then")]
        while (heard := await client.read_frame())[0] == TEXT:
            assert heard == (TEXT, b"x" * 65_536)
    assert told == [True, False]


async def test_many_tiny_fragments_end_the_connection() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(frame(BINARY, b"x", fin=False) + frame(CONT, b"x", fin=False) * (2 * FREE_FRAGMENTS))
        assert await client.read_close() == (1008, "too many fragments")
        await live.emptied()


async def test_many_fragments_of_a_fair_size_pass() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/large")
        part = bytes(LEAST_FRAGMENT)
        await client.send(
            frame(BINARY, part, fin=False) + frame(CONT, part, fin=False) * (2 * FREE_FRAGMENTS) + frame(CONT)
        )
        _, payload = await client.read_frame()
        assert len(payload) == len(part) * (2 * FREE_FRAGMENTS + 1)


async def test_route_takes_more_from_a_client_that_it_knows() -> None:
    async def trust(scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(await receive(), type="websocket.send"))
        scope["extensions"][EXTENSION]["set_max_size"](2 * LIMIT)

    async with serve(App(trust)) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(frame(TEXT, b"token"))
        await client.read_frame()
        await client.send(frame(BINARY, bytes(2 * LIMIT)))
        assert await client.read_frame() == (BINARY, bytes(2 * LIMIT))
        await client.send(header(BINARY, 2 * LIMIT + 1))
        assert (await client.read_close())[0] == 1009


@both_loops
async def test_route_cuts_a_connection() -> None:
    async def cut(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][EXTENSION]["abort"]()

    async with serve(App(cut)) as live, wire(live.port) as client:
        await client.open()
        assert await client.read_to_end() == b""
        await live.emptied()


@both_loops
async def test_thousands_of_tiny_messages_arrive_in_order() -> None:
    numbers = range(20_000)
    async with serve(App()) as live, wire(live.port) as client, anyio.create_task_group() as tasks:
        await client.open()
        tasks.start_soon(client.send, b"".join(frame(BINARY, struct.pack("!H", n)) for n in numbers))
        for number in numbers:
            assert await client.read_frame() == (BINARY, struct.pack("!H", number))


@both_loops
async def test_application_that_leaves_in_the_middle_of_a_flood_still_reads_the_close_frame() -> None:
    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000})

    async with serve(App(leave)) as live, wire(live.port) as client:
        await client.open()
        await client.send(frame(TEXT, b"x") * 10_000 + frame(8, b"\x0f\xa0"))
        assert (await client.read_close())[0] == 4000
        await client.read_to_end()
        await live.emptied()


# The deadline of a message


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x82",
        header(BINARY, 500)[:3],
        header(BINARY, 500)[:5],
        header(BINARY, 500),
        header(BINARY, 500) + b"x",
        frame(BINARY, b"x", fin=False),
        frame(BINARY, b"x") + b"\x82",
        frame(BINARY, b"x", fin=False) + frame(CONT, b"x", fin=False) + frame(PING),
    ],
    ids=["opcode", "length", "mask", "header", "payload", "fragment", "second message", "ping inside"],
)
async def test_message_that_is_not_completed_ends_the_connection(beginning: bytes) -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open("/soon")
        await client.send(beginning)
        assert await client.read_close() == (1008, f"message not complete within {SOON} s")
        await client.read_to_end()
        await live.emptied()
    assert app.endings[0]["code"] == 1008


async def test_trickling_does_not_extend_the_deadline() -> None:
    async with serve(App()) as live, wire(live.port) as client, anyio.create_task_group() as tasks:
        await client.open("/soon")
        tasks.start_soon(_trickle, client, frame(BINARY, bytes(500)))
        assert (await client.read_close())[0] == 1008
        tasks.cancel_scope.cancel()
        await live.emptied()


async def _trickle(client: Wire, data: bytes) -> None:
    for number in range(len(data)):
        await client.send(data[number : number + 1])
        await anyio.sleep(SOON / 20)


async def test_every_message_has_a_deadline_of_its_own() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open("/soon")
        message, rest = frame(BINARY, b"xyz"), b""
        with anyio.move_on_after(2 * SOON):
            while True:
                await client.send(rest + message[:3])
                rest = message[3:]
                await anyio.sleep(SOON / 20)
                if len(rest) < len(message):
                    await client.send(rest + message[:1])
                    rest = message[1:]
        await client.send(rest + frame(PING, b"end"))
        while (received := await client.read_frame())[0] != PONG:
            assert received == (BINARY, b"xyz")


async def test_time_in_which_the_application_does_not_read_is_not_the_clients() -> None:
    async def work(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(2.5 * SOON)

    async with serve(App(work)) as live, wire(live.port) as client:
        await client.open("/soon")
        message = frame(BINARY, b"second")
        await client.send(frame(BINARY, b"first") + message[:4])
        assert await client.read_frame() == (BINARY, b"first")
        await client.send(message[4:])
        assert await client.read_frame() == (BINARY, b"second")


# The keepalive


async def _trickle_until_cut(client: Wire, data: bytes) -> None:
    with suppress(ConnectionError):
        await _trickle(client, data)


@both_loops
async def test_silent_client_is_let_go() -> None:
    app = App()
    async with serve(app, ping_interval=SOON, ping_timeout=SOON) as live, wire(live.port) as client:
        await client.open()
        assert await client.read_close() == (1011, "keepalive ping timeout")
        await client.read_to_end()
        await live.emptied()
    assert app.endings[0]["code"] == 1011


async def test_client_that_answers_stays() -> None:
    async with serve(App(), ping_interval=SOON / 3, ping_timeout=SOON) as live, wire(live.port) as client:
        await client.open()
        for _ in range(10):
            opcode, payload = await client.read_frame()
            assert opcode == PING
            await client.send(frame(PONG, payload))


async def test_large_upload_over_a_slow_line_is_not_taken_for_silence() -> None:
    async with serve(App(), ping_interval=SOON, ping_timeout=SOON) as live, wire(live.port) as client:
        await client.open()
        message = frame(BINARY, bytes(LIMIT))
        for start in range(0, len(message), 100):
            await client.send(message[start : start + 100])
            await anyio.sleep(SOON / 2)
        while (received := await client.read_frame())[0] == PING:
            pass
        assert received == (BINARY, bytes(LIMIT))


async def test_application_that_does_not_read_does_not_make_the_client_silent() -> None:
    async def work(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(4 * SOON)

    async with serve(App(work), ping_interval=SOON / 2, ping_timeout=SOON / 2) as live, wire(live.port) as client:
        await client.open()
        await client.send(frame(TEXT, b"a job"))
        while (received := await client.read_frame())[0] == PING:
            pass
        assert received == (TEXT, b"a job")


async def test_flood_of_pings_ends_the_connection() -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.open()
        await client.send(frame(PING) * (2 * MAX_CONTROL_FRAMES))
        assert await client.read_close() == (1008, "too many control frames")
        await live.emptied()


# Peers that do not read


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's option")
async def test_kernel_is_told_to_free_peers_that_acknowledge_nothing() -> None:
    async with serve(App(), stall_timeout=7.0) as live, wire(live.port) as client:
        await client.open()
        (connection,) = live.server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000


@both_loops
async def test_client_that_never_reads_is_freed_though_it_sends() -> None:
    app = App(flood)
    async with serve(app, stall_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=4096) as client, anyio.create_task_group() as tasks:
            await client.send(handshake())
            await app.connected.wait()
            tasks.start_soon(_trickle_until_cut, client, frame(PONG) * 1000)
            await live.emptied()
            tasks.cancel_scope.cancel()


@both_loops
async def test_client_that_neither_reads_nor_sends_is_freed_by_the_keepalive() -> None:
    app = App(flood)
    async with serve(app, ping_interval=SOON, ping_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(handshake())
            await app.connected.wait()
            await live.emptied()


@both_loops
async def test_client_that_closes_without_reading_is_freed() -> None:
    app = App(flood)
    async with serve(app, stall_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(handshake() + frame(TEXT))
            await app.connected.wait()
            await client.send(frame(8, b"\x03\xe8"))
            await live.emptied()


@both_loops
async def test_client_that_half_closes_without_reading_is_freed() -> None:
    async def send_much(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.send", "bytes": bytes(LARGE)})

    app = App(send_much)
    async with serve(app, stall_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(handshake())
            await app.connected.wait()
            client.half_close()
            await live.emptied()


@both_loops
async def test_application_that_ends_behind_a_full_transport_does_not_keep_the_connection() -> None:
    async def send_and_leave(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.send", "bytes": bytes(LARGE)})
        raise EndOfApplication

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(EndOfApplication):
            await accepting(scope, receive, send)

    accepting = App(send_and_leave)
    async with serve(app, stall_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(handshake())
            await accepting.connected.wait()
            await live.emptied()


@both_loops
async def test_slow_and_steady_reader_stays_though_pings_reach_it_late() -> None:
    app = App(flood)
    async with serve(app, stall_timeout=SOON, ping_interval=SOON, ping_timeout=SOON) as live:
        ignore_in_kernel(live)
        async with wire(live.port, receive_buffer=65_536) as client:
            await client.open()
            for _ in range(60):
                opcode, payload = await client.read_frame()
                if opcode == PING:
                    await client.send(frame(PONG, payload))
                await anyio.sleep(SOON / 6)
            assert len(live.server.server_state.tasks) == 1


async def test_reader_that_keeps_up_but_does_not_answer_pings_is_let_go() -> None:
    async def play(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(OSError):
            while True:
                await send({"type": "websocket.send", "bytes": b"x"})
                await anyio.sleep(SOON / 20)

    async with serve(App(play), ping_interval=SOON, ping_timeout=SOON) as live, wire(live.port) as client:
        await client.open()
        assert (await client.read_close())[0] == 1011


@both_loops
async def test_client_that_closes_and_reads_on_gets_everything() -> None:
    async def send_much(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.send", "bytes": bytes(LARGE)})

    app = App(send_much)
    async with serve(app, stall_timeout=SOON) as live, wire(live.port, receive_buffer=65_536) as client:
        await client.open()
        await client.send(frame(8, b"\x03\xe8"))
        await anyio.sleep(SOON / 3)
        assert len((await client.read_frame())[1]) == LARGE
        assert (await client.read_close())[0] == 1000
        await live.emptied()


@both_loops
async def test_pongs_do_not_pile_up_for_a_client_that_does_not_read() -> None:
    app = App(flood)
    async with serve(app) as live:
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(handshake())
            await app.connected.wait()
            (connection,) = live.server.server_state.connections
            while connection.writable.is_set():  # noqa: ASYNC110 it tells nobody
                await anyio.sleep(0.01)
            full = connection.transport.get_write_buffer_size()
            await client.send(frame(PING, bytes(125)) * 900)
            await anyio.sleep(SOON)
            assert connection.transport.get_write_buffer_size() <= full
            client.reset()
        await live.emptied()


# Handshakes


@both_loops
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (handshake().replace(b"Key: MDEy", b"Key: M"), b"400"),
        (handshake("/ws?" + "x" * 9_000), b"414"),
        (handshake("/ws", "X: " + "x" * 9_000), b"431"),
        (handshake("/ws", *["X: x"] * 200), b"431"),
        (handshake("/ws", "Content-Length: 5") + b"hello", b"400"),
        (handshake("/w\xe4?token=secret"), b"400"),
    ],
    ids=["key", "long line", "long header", "many headers", "body", "not ASCII"],
)
async def test_handshake_that_cannot_be_is_refused(head: bytes, status: bytes) -> None:
    async with serve(App()) as live, wire(live.port) as client:
        await client.send(head)
        assert (await client.read_to_end()).split(b" ")[1] == status
        await live.emptied()


@both_loops
@pytest.mark.parametrize("leave", [Wire.reset, Wire.half_close])
async def test_client_that_leaves_during_the_handshake_leaves_nothing(leave: Callable[[Wire], None]) -> None:
    app = App(accepts=False)
    async with serve(app) as live, wire(live.port) as client:
        await client.send(handshake())
        await app.connected.wait()
        leave(client)
        await live.emptied()
    assert app.endings[0]["code"] == 1006


@both_loops
@pytest.mark.parametrize("leave", [Wire.reset, Wire.half_close])
async def test_client_that_leaves_without_closing_leaves_nothing(leave: Callable[[Wire], None]) -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open()
        await client.send(header(BINARY, 500) + b"x")
        leave(client)
        await live.emptied()
    assert len(app.endings) == 1


@both_loops
@pytest.mark.parametrize(
    "early",
    [header(BINARY, LIMIT + 1), frame(TEXT, b"\xff"), b"\xf0\x80\0\0\0\0"],
    ids=["too large", "not UTF-8", "reserved bits"],
)
async def test_fault_before_the_handshake_is_answered_ends_the_connection(early: bytes) -> None:
    app = App(accepts=False)
    async with serve(app) as live, wire(live.port) as client:
        await client.send(handshake())
        await app.connected.wait()
        await client.send(early)
        assert await client.read_to_end() == b""
        await live.emptied()
    assert app.endings[0]["code"] == 1006


@both_loops
async def test_client_that_closes_before_the_handshake_is_answered_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    async def accept(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["code"] == 1000
        with pytest.raises(OSError):
            await send({"type": "websocket.accept"})

    app = App(accept, accepts=False)
    async with serve(app) as live, wire(live.port) as client:
        await client.send(handshake())
        await app.connected.wait()
        await client.send(frame(8, b"\x03\xe8"))
        assert await client.read_to_end() == b""
        await live.emptied()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_ping_before_the_handshake_is_answered_does_not_spoil_the_answer() -> None:
    app = App(accepts=False)
    accept = anyio.Event()

    async def hesitate(scope: Scope, receive: Receive, send: Send) -> None:
        await accept.wait()
        await send({"type": "websocket.accept"})

    app.converse = hesitate
    async with serve(app) as live, wire(live.port) as client:
        await client.send(handshake())
        await app.connected.wait()
        await client.send(frame(PING, b"early"))
        await anyio.sleep(SOON / 3)
        accept.set()
        assert (await client.read_head()).startswith(b"HTTP/1.1 101")


# Faults and the log


@both_loops
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(CONT, b"x"), 1002),
        (b"\x82\x01x", 1002),
        (b"\xc2\x80\0\0\0\0", 1002),
        (frame(PING, bytes(126)), 1002),
    ],
    ids=["not UTF-8", "no beginning", "unmasked", "reserved bit", "long ping"],
)
async def test_fault_of_the_client_is_told_and_is_no_error(
    fault: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open()
        await client.send(fault)
        assert (await client.read_close())[0] == code
        await client.read_to_end()
        await live.emptied()
    assert app.endings[0]["code"] == code
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_application_that_sends_after_a_fault_learns_that_the_peer_is_gone() -> None:
    learned: list[type[BaseException]] = []

    async def send_on(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with pytest.raises(OSError) as caught:
            await send({"type": "websocket.send", "text": "too late"})
        learned.append(caught.type)

    async with serve(App(send_on)) as live, wire(live.port) as client:
        await client.open()
        await client.send(frame(CONT, b"x"))
        await client.read_close()
        await live.emptied()
    assert len(learned) == 1


@pytest.mark.parametrize("path", ["/ws?token=secret", "/w\xe4?token=secret"])
@pytest.mark.parametrize("accepts", [True, False])
async def test_no_line_has_the_query(path: str, accepts: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="uvicorn.error")

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})

    async with serve(App(None if accepts else refuse, accepts)) as live, wire(live.port) as client:
        await client.open(path)
        client.reset()
        await live.emptied()
    assert any("WebSocket /ws" in record.getMessage() for record in caplog.records) == path.isascii()
    assert not [record for record in caplog.records if "secret" in record.getMessage() + str(record.args)]


# The server's end


@both_loops
async def test_shutdown_tells_every_client_even_one_that_is_sending() -> None:
    app = App()
    async with serve(app) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(header(BINARY, LARGE) + bytes(100_000))
        live.server.stop()
        assert await client.read_close() == (1012, "the server restarts")
    assert app.endings[0]["code"] == 1012


@both_loops
async def test_shutdown_tells_a_client_whose_messages_are_not_taken() -> None:
    async def work(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(SOON)

    async with serve(App(work)) as live, wire(live.port) as client:
        await client.open()
        await client.send(frame(TEXT, b"x") * 10_000)
        live.server.stop()
        assert (await client.read_close())[0] == 1012


@both_loops
async def test_shutdown_during_a_handshake_answers_500() -> None:
    app = App(accepts=False)
    async with serve(app) as live, wire(live.port) as client:
        await client.send(handshake())
        await app.connected.wait()
        live.server.stop()
        assert (await client.read_head()).startswith(b"HTTP/1.1 500")


@both_loops
async def test_shutdown_does_not_wait_for_a_close_frame_that_does_not_come() -> None:
    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})

    async with serve(App(leave)) as live, wire(live.port) as client:
        await client.open()
        await client.read_close()
        with anyio.fail_after(5):
            live.server.stop()
            await client.read_to_end()


@both_loops
async def test_shutdown_goes_on_past_a_client_that_has_closed_and_does_not_read() -> None:
    app = App(flood)
    async with serve(app) as live, wire(live.port) as other:
        await other.open()
        async with wire(live.port, receive_buffer=4096) as client:
            await client.send(handshake())
            await app.connected.wait()
            await client.send(frame(8, b"\x03\xe8"))
            live.server.stop()
            await live.emptied()


# Messages that are diverted


@dataclass
class Diverting:
    """An application to whom binary messages are given at once; says of each what it was, and where it came."""

    most: int = 100

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        divert = scope["extensions"][EXTENSION]["divert"]
        taken: list[bytes] = []

        def take(message: bytes) -> None:
            taken.append(message)
            if len(taken) == self.most:
                divert(None)

        divert(take)
        while (message := await receive())["type"] == "websocket.receive":
            came = message.get("bytes") or message["text"].encode()
            await send({"type": "websocket.send", "text": repr(([bytes(part) for part in taken], came))})
            taken.clear()


def masked(payload: bytes, mask: bytes = b"\x11\x22\x33\x44") -> bytes:
    head = header(BINARY, len(payload))[:-4]
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


async def diverted(client: Wire, *portions: bytes) -> Any:
    """Send these portions, then a text; returns what was taken, and what the text was."""
    for portion in portions:
        await client.send(portion)
        await anyio.sleep(0.02)  # so that it comes by itself
    await client.send(frame(TEXT, b"end"))
    opcode, told = await client.read_frame()
    assert opcode == TEXT
    return ast.literal_eval(told.decode())


@both_loops
@pytest.mark.parametrize("size", [0, 1, 125, 126, 1_000, 65_535, 65_536, 100_000])
async def test_binary_messages_are_diverted_as_they_were_sent(size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with serve(Diverting()) as live, wire(live.port) as client:
        await client.open("/large")
        assert await diverted(client, masked(payload) + masked(b"2")) == ([payload, b"2"], b"end")


@pytest.mark.parametrize("cut", range(1, 9))
async def test_a_message_that_comes_in_portions_is_diverted_whole(cut: int) -> None:
    data = masked(b"hello") * 2
    async with serve(Diverting()) as live, wire(live.port) as client:
        await client.open("/large")
        assert await diverted(client, data[:cut], data[cut:]) == ([b"hello", b"hello"], b"end")


async def test_fragments_are_diverted_as_one_message() -> None:
    fragments = frame(BINARY, b"a", fin=False) + frame(CONT, b"b") + masked(b"c")
    async with serve(Diverting()) as live, wire(live.port) as client:
        await client.open("/large")
        assert await diverted(client, fragments) == ([b"ab", b"c"], b"end")


async def test_a_message_that_is_not_masked_is_refused_also_where_it_would_be_diverted() -> None:
    async with serve(Diverting()) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(bytes([0x82, 5]) + b"hello")
        assert (await client.read_close())[0] == 1002


async def test_a_message_that_is_too_large_is_refused_also_where_it_would_be_diverted() -> None:
    async with serve(Diverting()) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(frame(BINARY, b"x" * (LIMIT + 1)))
        assert (await client.read_close())[0] == 1009


async def test_what_is_diverted_overtakes_nothing_that_came_before_it() -> None:
    heard: list[Any] = []

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.send", "text": "begin"})
        await anyio.sleep(0.05)  # messages come meanwhile, more than are parsed at once
        scope["extensions"][EXTENSION]["divert"](lambda message: heard.append(int(message[:2])))
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(int((message.get("bytes") or message["text"])[:2]))
            if heard[-1] == 99:
                await send({"type": "websocket.close", "code": 1000})

    kinds = [TEXT if number in (0, 33, 34, 99) else BINARY for number in range(100)]
    async with serve(App(listen)) as live, wire(live.port) as client:
        await client.open("/large")
        await client.read_frame()
        await client.send(b"".join(frame(kind, b"%02d" % n + bytes(1_000)) for n, kind in enumerate(kinds)))
        assert (await client.read_close())[0] == 1000
    assert heard == list(range(100))


async def test_what_comes_after_diverting_has_ended_is_received() -> None:
    async with serve(Diverting(most=2)) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(masked(b"1") + masked(b"2") + masked(b"3"))
        assert ast.literal_eval((await client.read_frame())[1].decode()) == ([b"1", b"2"], b"3")


class DivertingText(App):
    """Takes text that has no digit in it; tells what it took, and what came by `receive`, at the text `end1`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        taken: list[str] = []
        received: list[Any] = []

        def take(text: str) -> bool:
            is_taken = not any(character.isdigit() for character in text)
            taken.extend([text] if is_taken else [])
            return is_taken

        scope["extensions"][EXTENSION]["divert_text"](take)
        while (message := await receive())["type"] == "websocket.receive":
            received.append(message.get("text") or message.get("bytes"))
            if received[-1] == "end1":
                await send({"type": "websocket.send", "text": repr((taken, received[:-1]))})


@both_loops
@pytest.mark.parametrize("size", [0, 1, 125, 126, 60_000])
async def test_text_that_comes_alone_is_offered(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    async with serve(DivertingText()) as live, wire(live.port) as client:
        await client.open("/large")
        for portion in (frame(TEXT, text.encode()), frame(TEXT, b"7"), frame(TEXT, b"end1")):
            await client.send(portion)
            await anyio.sleep(0.05)
        taken, received = ast.literal_eval((await client.read_frame())[1].decode())
        assert "".join(taken) + "".join(received) == text + "7"
        assert taken == [text] or size > 1_000  # a long one may come in portions


@pytest.mark.parametrize(
    "portions",
    [
        [frame(TEXT, b"a") + frame(TEXT, b"b")],
        [frame(TEXT, b"a")[:4], frame(TEXT, b"a")[4:]],
        [frame(TEXT, b"a", fin=False), frame(CONT, b"b")],
        [frame(BINARY, b"a")],
    ],
    ids=["two", "portions", "fragments", "binary"],
)
async def test_what_does_not_come_alone_and_whole_is_received(portions: list[bytes]) -> None:
    async with serve(DivertingText()) as live, wire(live.port) as client:
        await client.open("/large")
        for portion in (*portions, frame(TEXT, b"end1")):
            await client.send(portion)
            await anyio.sleep(0.02)
        taken, received = ast.literal_eval((await client.read_frame())[1].decode())
        assert taken == []
        assert "".join(part if isinstance(part, str) else part.decode() for part in received) in ("a", "ab")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"x" * (LIMIT + 1)), 1009),
        (bytes([0x81, 5]) + b"hello", 1002),
    ],
    ids=["not UTF-8", "too large", "not masked"],
)
async def test_text_that_is_wrong_is_refused_also_where_it_would_be_offered(sent: bytes, code: int) -> None:
    async with serve(DivertingText()) as live, wire(live.port) as client:
        await client.open("/small")
        await client.send(sent)
        assert (await client.read_close())[0] == code


async def test_nothing_is_diverted_while_the_connection_closes() -> None:
    taken: list[bytes] = []

    async def close(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][EXTENSION]["divert"](taken.append)
        await receive()
        await send({"type": "websocket.close", "code": 1000})

    app = App(close)
    async with serve(app) as live, wire(live.port) as client:
        await client.open("/large")
        await client.send(frame(TEXT, b"close"))
        assert (await client.read_close())[0] == 1000
        await client.send(frame(BINARY, b"a", fin=False) + frame(CONT, b"b") + frame(CLOSE, b"\x03\xe8"))
        await live.emptied()
    assert taken == []
