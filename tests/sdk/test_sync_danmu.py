"""The plain client, against a server that runs in the test's own event loop."""

import threading
from collections.abc import AsyncIterator
from http import HTTPStatus

import anyio
import pytest
from anyio import to_thread

from app.sdk.danmu import BackendUnavailable, Chunk, NotConnected, Refused, SyncDanmuClient
from tests.sdk.fake_server import FakeServer, fake_server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with fake_server() as server:
        yield server


async def test_it_speaks_and_asks(server: FakeServer) -> None:
    def talk() -> tuple[bytes, int, bool]:
        with SyncDanmuClient(server.url) as client:
            audio = client.speak("hello", format="mp3", timeout=10).audio
            return audio, client.queue_status(timeout=10).total_queued, client.cancel("gone", timeout=10)

    async with anyio.create_task_group() as group:
        talking = _Outcome()
        group.start_soon(talking.of, talk)
        peer = await server.accept()
        request = await peer.hear()
        await peer.speak(request)
        status = {"total_queued": 3, "position": 0, "estimated_wait_time": None, "queues": {}}
        await peer.answer(await peer.hear(), "queue_status_response", status)
        await peer.answer(await peer.hear(), "cancel_response", {"cancelled": False, "request_id": "gone"})

    assert request["data"] == {"text": "hello", "format": "mp3"}
    assert talking.result == (b"RIFF", 3, False)


async def test_it_lists_voices_and_tells_how_a_backend_does(server: FakeServer) -> None:
    def ask() -> tuple[list[object], bool]:
        with SyncDanmuClient(server.url) as client:
            return list(client.voices(language="zh", timeout=10)), client.backend_status("tone", timeout=10).available

    state = {"backend": "tone", "available": True, "queue_size": 0, "average_processing_time": None}
    async with anyio.create_task_group() as group:
        asking = _Outcome()
        group.start_soon(asking.of, ask)
        peer = await server.accept()
        await peer.answer(await peer.hear(), "voices_response", {"voices": []})
        await peer.answer(await peer.hear(), "backend_status_response", state | {"gpu_memory_usage": 0})

    assert asking.result == ([], True)


async def test_it_streams(server: FakeServer) -> None:
    def collect() -> list[int]:
        with SyncDanmuClient(server.url) as client:
            return [chunk.index for chunk in client.stream("a long text", timeout=10)]

    async with anyio.create_task_group() as group:
        collecting = _Outcome()
        group.start_soon(collecting.of, collect)
        peer = await server.accept()
        request = await peer.hear()
        await peer.send_chunk(request, 0, 2)
        await peer.send_chunk(request, 1, 2)
        await peer.complete(request, 2)

    assert collecting.result == [0, 1]


async def test_leaving_a_stream_cancels_the_rest(server: FakeServer) -> None:
    heard = threading.Event()

    def take_one() -> Chunk:
        with SyncDanmuClient(server.url) as client:
            chunks = client.stream("a long text", timeout=10)
            first = next(chunks)
            chunks.close()
            heard.wait(10)
            return first

    async with anyio.create_task_group() as group:
        taking = _Outcome()
        group.start_soon(taking.of, take_one)
        peer = await server.accept()
        request = await peer.hear()
        await peer.send_chunk(request, 0, 9)
        cancel = await peer.hear()
        heard.set()

    assert (cancel["type"], cancel["data"]) == ("cancel", {"request_id": request["id"]})
    assert taking.result.index == 0


async def test_a_timeout_cancels_the_request(server: FakeServer) -> None:
    heard = threading.Event()

    def wait() -> None:
        with SyncDanmuClient(server.url) as client, pytest.raises(TimeoutError):
            try:
                client.speak("hello", timeout=0.05)
            finally:
                heard.wait(10)

    async with anyio.create_task_group() as group:
        group.start_soon(_Outcome().of, wait)
        peer = await server.accept()
        request = await peer.hear()
        cancel = await peer.hear()
        heard.set()

    assert (cancel["type"], cancel["data"]) == ("cancel", {"request_id": request["id"]})


async def test_errors_reach_the_caller(server: FakeServer) -> None:
    def ask() -> tuple[str, ...]:
        with SyncDanmuClient(server.url) as client, pytest.raises(BackendUnavailable) as failure:
            client.speak("hello", backend="edge", timeout=10)
        return failure.value.available_backends

    async with anyio.create_task_group() as group:
        asking = _Outcome()
        group.start_soon(asking.of, ask)
        peer = await server.accept()
        await peer.fail(await peer.hear(), "BACKEND_UNAVAILABLE", backend="edge", available_backends=["espeak"])

    assert asking.result == ("espeak",)


async def test_closing_fails_what_another_thread_waits_for(server: FakeServer) -> None:
    asked = threading.Event()
    failures: list[NotConnected] = []

    def wait(client: SyncDanmuClient) -> None:
        with pytest.raises(NotConnected) as failure:
            client.speak("hello", timeout=10)
        failures.append(failure.value)

    def run() -> None:
        with SyncDanmuClient(server.url) as client:
            waiting = threading.Thread(target=wait, args=[client])
            waiting.start()
            asked.wait(10)
        waiting.join(10)

    async with anyio.create_task_group() as group:
        group.start_soon(_Outcome().of, run)
        await (await server.accept()).hear()
        asked.set()

    assert len(failures) == 1


async def test_a_refusal_is_raised_on_entering(server: FakeServer) -> None:
    server.refusals = [(HTTPStatus.FORBIDDEN, {})]
    before = threading.active_count()

    def enter() -> None:
        with pytest.raises(Refused), SyncDanmuClient(server.url):
            pass

    await to_thread.run_sync(enter)

    assert threading.active_count() <= before + 1  # the pool's own thread


def test_outside_its_block_it_says_so() -> None:
    client = SyncDanmuClient("ws://127.0.0.1:1/ws")

    with pytest.raises(NotConnected, match="use it in a with block"):
        client.queue_status()
    with pytest.raises(NotConnected, match="cannot connect"), client:
        pass
    with pytest.raises(NotConnected, match="use it in a with block"):
        next(client.stream("hello"))


class _Outcome:
    """What a plain function returns that runs in a thread."""

    result: object = None

    async def of(self, function: object) -> None:
        self.result = await to_thread.run_sync(function)
