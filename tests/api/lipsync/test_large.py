"""Requests of megabytes: read beside the event loop, two at a time, and held by nobody afterwards."""

import json
import threading
import tracemalloc
from dataclasses import replace

import anyio
import httpx
import pytest

from app.api.lipsync import reading
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.outline import outline
from app.lipsync.commission import COMMISSION_POOL
from app.lipsync.handover import POLL_SECONDS, Stopped
from tests.api.lipsync.door import door, process
from tests.eventually import eventually
from tests.lipsync.performers import png, tone
from tests.wire import TEXT, header, wire

pytestmark = pytest.mark.anyio

PATH = "/api/v1/lip-sync"
PIECE = b"A" * 65_536


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Gate:
    """Lets nobody read before it is opened; knows how many were there at once."""

    def __init__(self):
        self.is_open = threading.Event()
        self.inside = self.most = self.stopped = 0
        self._lock = threading.Lock()

    def outline(self, message, stop):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            while not self.is_open.wait(POLL_SECONDS):
                if stop.is_set():
                    self.stopped += 1
                    raise Stopped
            return outline(message, stop)
        finally:
            with self._lock:
                self.inside -= 1


@pytest.fixture
def gate(monkeypatch):
    made = Gate()
    monkeypatch.setattr(reading, "outline", made.outline)
    return made


def large(**changes):
    """A message that is not read at once."""
    return process(6.0, **changes)


async def told(client, results):
    results.append((await client.until("result", "error"))[1])


async def upload(client, audio_characters, image_characters):
    """Send a `process` of zeros, without ever having it."""
    parts = [(b'{"type":"process","audio_base64":"', audio_characters), (b'","image_base64":"', image_characters)]
    end = b'","options":{"model_type":"flat"}}'
    await client.send(header(TEXT, sum(len(head) + size for head, size in parts) + len(end)))
    for head, size in parts:
        await client.send(head)
        for start in range(0, size, len(PIECE)):
            await client.send(PIECE[: size - start])
    await client.send(end)


async def answer(client):
    """Return the next message that is no progress."""
    while True:
        message = json.loads((await client.read_frame())[1])
        if message["type"] != "progress":
            return message


async def test_two_are_read_at_a_time_whoever_sends_them(gate):
    async with door() as live, live.client() as one, live.client() as two, live.client() as other:
        results = []
        async with httpx.AsyncClient(base_url=live.live.url, timeout=30) as http, anyio.create_task_group() as group:
            for client in (one, two):
                await client.send(large())
                group.start_soon(told, client, results)
            group.start_soon(_posted, http, {"json": large()}, results)
            files = {"audio": ("a.wav", tone(6.0)), "image": ("a.png", png())}
            group.start_soon(_posted, http, {"files": files, "data": {"options": '{"model_type":"flat"}'}}, results)
            await eventually(lambda: live.workers.running(COMMISSION_POOL) == 2)
            await eventually(lambda: live.workers.waiting(COMMISSION_POOL) == 2)
            await other.send({"type": "ping"})
            assert (await other.receive())["type"] == "pong"
            gate.is_open.set()
    assert gate.most == 2
    assert [each["frames_processed"] for each in results] == [150] * 4


async def _posted(http, body, results):
    results.append((await http.post(PATH, **body)).json())


async def test_small_requests_do_not_wait_for_large_ones(gate):
    async with door() as live, live.client() as one, live.client() as two, live.client() as three:
        for client in (one, two):
            await client.send(large())
        await eventually(lambda: live.workers.running(COMMISSION_POOL) == 2)
        await three.send(process(0.2))
        assert (await three.until("result", "error"))[1]["frames_processed"] == 5
        gate.is_open.set()


async def test_too_many_that_wait_are_refused(gate):
    limits = replace(LipsyncLimits(), max_unread=1)
    async with door(limits=limits) as live, live.client() as one, live.client() as two, live.client() as three:
        for client, waiting in ((one, 0), (two, 0), (three, 1)):
            await client.send(large())
            await eventually(lambda: live.workers.running(COMMISSION_POOL) > 0)
            await eventually(lambda waiting=waiting: live.workers.waiting(COMMISSION_POOL) == waiting)
        await eventually(lambda: live.workers.running(COMMISSION_POOL) == 2)
        async with live.client() as four, httpx.AsyncClient(base_url=live.live.url) as http:
            await four.send(large())
            error = (await four.until("error", "result"))[1]
            assert (error["error_type"], error["message"]) == ("processing_error", "1 large requests wait to be read")
            assert (await http.post(PATH, json=large())).status_code == 429
        gate.is_open.set()


@pytest.mark.parametrize("waiting", [False, True])
async def test_cancel_ends_the_reading(gate, waiting):
    async with door() as live, live.client() as one, live.client() as two, live.client() as three:
        for client in (one, two) if waiting else ():
            await client.send(large())
        await eventually(lambda: gate.inside == 2 * waiting)
        await three.send(large())
        await eventually(lambda: live.workers.waiting(COMMISSION_POOL) if waiting else gate.inside)
        await three.send({"type": "cancel"})
        assert (await three.until("cancelled", "error", "result"))[1]["type"] == "cancelled"
        assert (gate.stopped, live.workers.waiting(COMMISSION_POOL)) == (not waiting, 0)
        gate.is_open.set()
        await three.send(large())
        assert (await three.until("cancelled", "error", "result"))[1]["frames_processed"] == 150


async def test_who_leaves_ends_the_reading(gate):
    async with door() as live:
        async with live.client() as client:
            await client.send(large())
            await eventually(lambda: gate.inside)
            await client.cut()
        await live.live.emptied()
        assert gate.stopped == 1


async def test_the_largest_are_read_two_at_once_while_others_are_answered():
    answers = []

    async def ask(client):
        await upload(client, 50 * 2**20 // 3 * 4, 10 * 2**20 // 3 * 4)
        answers.append(await answer(client))

    async with door() as live, wire(live.live.port) as one, wire(live.live.port) as two, live.client() as other:
        for client in (one, two):
            await client.open("/ws/lip-sync")
            await client.read_frame()
        pongs = 0
        async with anyio.create_task_group() as group:
            group.start_soon(ask, one)
            group.start_soon(ask, two)
            while len(answers) < 2:
                await other.send({"type": "ping"})
                assert (await other.receive())["type"] == "pong"
                pongs += 1
        assert pongs > 10
        assert {each["error_type"] for each in answers} == {"validation_error"}
        assert {each["message"] for each in answers} == {"the picture is not a JPEG, PNG or WebP file"}
        await one.send(header(TEXT, 15) + b'{"type":"ping"}')
        assert (await answer(one))["type"] == "pong"


async def test_nothing_of_a_large_request_is_kept_for_an_idle_client():
    async with door() as live, wire(live.live.port) as client:
        await client.open("/ws/lip-sync")
        await client.read_frame()
        await upload(client, 400_000, 400_000)
        await answer(client)
        tracemalloc.start()
        try:
            await upload(client, 16_000_000, 4_000_000)
            assert (await answer(client))["type"] == "error"
            assert tracemalloc.get_traced_memory()[1] > 20_000_000
            await eventually(lambda: tracemalloc.get_traced_memory()[0] < 4_000_000)
        finally:
            tracemalloc.stop()
