"""The plain client, against a server that runs in the test's own event loop."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import anyio
import pytest
from anyio import to_thread

from app.sdk.portrait import Event, Fragment, NotConnected, Opening, Portrait, Progress, Refused, SyncPortraits
from tests.sdk.fake_portraits import FakePortraits, fake_portraits

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakePortraits]:
    async with fake_portraits() as server:
        yield server


async def test_a_picture_speaks(server: FakePortraits) -> None:
    made: list[Portrait] = []
    told: list[Progress] = []

    def speak() -> None:
        with SyncPortraits(server.url, "key") as portraits:
            made.append(portraits.speak(b"picture", b"sound", model="warp", on_progress=told.append, timeout=10))

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, speak)
        peer = await server.accept()
        request = await peer.hear()
        await peer.progress(50)
        await peer.finish(request)

    assert made[0].video == b"video" and told == [Progress(50.0, "50 %")]
    assert request["options"] == {"model_type": "warp"} and peer.authorization == "Bearer key"


async def test_a_video_comes_in_fragments(server: FakePortraits) -> None:
    events: list[Event] = []

    def stream() -> None:
        with SyncPortraits(server.url) as portraits:
            events.extend(portraits.stream(b"picture", text="hi", timeout=10))

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, stream)
        peer = await server.accept()
        request = await peer.hear()
        await peer.open_stream()
        await peer.say(b"init")
        await peer.finish(request, video=None)

    assert [type(event) for event in events] == [Opening, Fragment, Portrait]


async def test_who_waits_no_longer_than_so_long_cancels(server: FakePortraits) -> None:
    def give_up() -> None:
        with SyncPortraits(server.url) as portraits:
            with pytest.raises(TimeoutError):
                portraits.speak(b"picture", text="hi", timeout=1.5)
            with pytest.raises(TimeoutError):
                portraits.speak(b"picture", text="not asked before the server has let go", timeout=0.05)

    async with anyio.create_task_group() as group:
        group.start_soon(to_thread.run_sync, give_up)
        peer = await server.accept()
        await peer.hear_type("process")
        await peer.hear_cancel()
        await peer.end()


async def test_a_refusal_is_told(server: FakePortraits) -> None:
    server.refusals.append((HTTPStatus.FORBIDDEN, {}))

    def enter() -> None:
        with SyncPortraits(server.url):
            pass

    with pytest.raises(Refused):
        await to_thread.run_sync(enter)


def test_outside_its_block_nothing_is_asked() -> None:
    with pytest.raises(NotConnected):
        SyncPortraits().speak(b"picture", b"sound")
