"""What of a connection the clients' own tests do not show: its pings, and addresses that are asked for."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable

import pytest

from app.sdk.backoff import Backoff
from app.sdk.connection import FRAME_CHARACTERS, Connection, Url
from app.sdk.errors import ConnectionLost, NotConnected, RequestFailed
from tests.eventually import eventually
from tests.sdk.fake_server import FakeServer, Naps, fake_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


class Ear:
    """A listener that keeps what it hears, and reads on only while it may."""

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self.losses: asyncio.Queue[tuple[NotConnected, bool]] = asyncio.Queue()
        self.may_read = asyncio.Event()
        self.may_read.set()

    def opened(self) -> None:
        pass

    def received(self, message: str | bytes) -> Awaitable[None] | None:
        self.heard.append(message)
        return None if self.may_read.is_set() else self._wait()

    def lost(self, error: NotConnected, *, for_good: bool) -> None:
        self.losses.put_nowait((error, for_good))

    async def _wait(self) -> None:
        await self.may_read.wait()


def connection(url: Url, ear: Ear, *, ping_interval: float = 20.0) -> Connection:
    return Connection(
        url,
        ear,
        token=None,
        backoff=Backoff(),
        wait_for_server=False,
        tls=None,
        sleep=Naps(),
        clock=time.monotonic,
        rng=random.random,
        ping_interval=ping_interval,
    )


async def test_a_server_that_gives_no_sign_of_life_is_left(server: FakeServer) -> None:
    ear = Ear()
    async with connection(server.url, ear, ping_interval=0.02):
        peer = await server.accept()
        peer.fall_silent()
        async with asyncio.timeout(10):
            error, for_good = await ear.losses.get()
        peer.cut()

    assert isinstance(error, ConnectionLost) and error.code == 1006 and not for_good


async def test_a_client_that_does_not_read_for_a_while_is_not_cut_off_by_its_own_pings(server: FakeServer) -> None:
    ear = Ear()
    ear.may_read.clear()
    async with connection(server.url, ear, ping_interval=0.02):
        peer = await server.accept()
        for n in range(20):
            await peer.say(bytes([n]))
        await asyncio.sleep(0.3)  # fifteen pings whose pongs wait behind what is not read
        assert ear.losses.empty() and ear.heard == [b"\0"]
        ear.may_read.set()
        await peer.say("on and on")
        await eventually(lambda: len(ear.heard) == 21)


async def test_binary_messages_and_texts_are_heard_in_order(server: FakeServer) -> None:
    ear = Ear()
    async with connection(server.url, ear):
        peer = await server.accept()
        for message in ("one", b"two", "three"):
            await peer.say(message)
        await eventually(lambda: len(ear.heard) == 3)

    assert ear.heard == ["one", b"two", "three"]


async def test_an_address_is_asked_for_before_each_attempt(server: FakeServer) -> None:
    asked = 0

    async def url() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise NotConnected("not yet")
        return server.url

    async with connection(url, Ear()):
        await (await server.accept()).hang_up()
        await server.accept()

    assert asked == 3


async def test_without_an_address_it_is_given_up(server: FakeServer) -> None:
    urls = [server.url]

    async def url() -> str:
        if not urls:
            raise RequestFailed("404", "gone", {})
        return urls.pop()

    ear = Ear()
    async with connection(url, ear):
        await (await server.accept()).hang_up()
        losses = [await ear.losses.get() for _ in range(2)]
    with pytest.raises(RequestFailed, match="gone"):
        async with connection(url, Ear()):
            pass

    assert [for_good for _, for_good in losses] == [False, True]
    assert type(losses[1][0]) is NotConnected and "gone" in str(losses[1][0])


@pytest.mark.parametrize("length", [1, FRAME_CHARACTERS, FRAME_CHARACTERS + 1, 3 * FRAME_CHARACTERS])
async def test_long_messages_leave_room_for_pings(server: FakeServer, length: int) -> None:
    message = "".join(chr(97 + number % 26) for number in range(length))
    async with connection(server.url, Ear()) as wire:
        peer = await server.accept()
        wire.post(message)
        frames = await peer.hear_frames()
        wire.post("next")
        assert await peer.hear_frames() == ["next"]

    assert "".join(frames) == message and max(map(len, frames)) <= FRAME_CHARACTERS
