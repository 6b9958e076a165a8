"""The plain client, against a server that runs in the test's own event loop."""

import sys
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus

import anyio
import numpy as np
import pytest
from anyio import to_thread

from app.sdk.stream import Event, Matched, NotConnected, Refused, Status, SyncStreamClient
from tests.sdk.fake_stream import FakeStreams, fake_streams, match, status

SOUND = np.linspace(-1, 1, 5000, dtype=np.float32)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeStreams]:
    async with fake_streams() as server:
        yield server


async def test_it_plays_and_tells_callbacks(server: FakeStreams) -> None:
    told = threading.Event()

    def play() -> None:
        with SyncStreamClient(server.url, "key", "me", on_match=lambda event: told.set()) as client:
            client.send(SOUND[:5], timeout=10)
            client.play(SOUND, linger=0)
            assert told.wait(10)

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, play)
        peer = await server.accept()
        heard = await peer.samples(5 + len(SOUND))
        await peer.say(match())

    assert np.array_equal(heard, np.concatenate([SOUND[:5], SOUND])) and peer.authorization == "Bearer key"


async def test_it_follows_a_sound(server: FakeStreams) -> None:
    events: list[Event] = []

    def follow() -> None:
        with SyncStreamClient(server.url) as client:
            events.extend(client.follow(SOUND, linger=0.3, timeout=10))

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, follow)
        peer = await server.accept()
        await peer.say(status())
        await peer.samples(len(SOUND))
        await peer.say(match())

    assert [type(event) for event in events] == [Status, Matched]


async def test_waiting_for_events_ends_in_time(server: FakeStreams) -> None:
    def wait() -> None:
        with SyncStreamClient(server.url) as client:
            events = client.events(timeout=0.05)
            with pytest.raises(TimeoutError):
                next(events)

    await to_thread.run_sync(wait)


async def test_listening_without_a_microphone_is_an_error(server: FakeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    def listen() -> None:
        with SyncStreamClient(server.url) as client, pytest.raises(Exception, match="pip install sounddevice"):
            client.listen(timeout=10)

    await to_thread.run_sync(listen)


async def test_a_refusal_is_raised_on_entering(server: FakeStreams) -> None:
    server.refusals = [(HTTPStatus.UNAUTHORIZED, {})]

    def enter() -> None:
        with pytest.raises(Refused), SyncStreamClient(server.url, "wrong"):
            pass

    await to_thread.run_sync(enter)


def test_outside_its_block_it_says_so() -> None:
    with pytest.raises(NotConnected, match="use it in a with block"):
        SyncStreamClient("ws://127.0.0.1:1").send(SOUND)
