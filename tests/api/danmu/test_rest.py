import base64
import io
import wave

import anyio
import httpx
import pytest

from app.errors import QueueFull, WorkerLost
from app.tts.backend import Health
from app.tts.backends.tone import Tone
from tests.api.danmu.door import door
from tests.eventually import eventually
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

SENTENCES = " ".join(f"This is the sentence with number {n}." for n in range(40))


async def test_a_post_is_answered_as_the_websocket_would():
    async with door(FakeBackend()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        reply = await http.post("/tts", json={"text": "hello", "voice": None, "sample_rate": 8000})
    assert reply.status_code == 200
    body = reply.json()
    audio = base64.b64decode(body["audio_data"])
    assert body["metadata"] == {
        "backend": "fake",
        "fallback_from": None,
        "voice": "fake-en-US",
        "duration": 0.05,
        "sample_rate": 8000,
        "format": "wav",
        "size_bytes": len(audio),
    }
    assert body["cached"] is False


async def test_a_post_tells_the_times_that_were_asked_for():
    async with door(Tone(), FakeBackend()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        told = await http.post("/tts", json={"text": "ab", "timestamps": True})
        untold = await http.post("/tts", json={"text": "ab"})
        unknown = await http.post("/tts", json={"text": "ab", "timestamps": True, "backend": "fake"})
    assert told.json()["timestamps"] == {
        "words": [{"text": "a", "start": 0.0, "end": 0.05}, {"text": "b", "start": 0.05, "end": 0.1}],
        "phonemes": [],
    }
    assert "timestamps" not in untold.json()
    assert unknown.json()["timestamps"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"text": ""}, 422),
        ({"text": "  "}, 422),
        ({"text": "x" * 1001}, 422),
        ({"text": 7}, 422),
        ({"text": "a", "sample_rate": 7999}, 422),
        ({"text": "a", "format": "wma"}, 422),
        ({"text": "a", "format": "webm"}, 422),
        ({"text": "a", "quality": "best"}, 422),
        ({"text": "a", "speed": 0.2}, 422),
        ({"text": "a", "speed": 4.1}, 422),
        ({"text": "a", "voice": "nobody"}, 404),
        ({"text": "a", "backend": "edge"}, 503),
    ],
)
async def test_bad_bodies_are_explained(body, status):
    async with door(FakeBackend()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        reply = await http.post("/tts", json=body)
    assert reply.status_code == status
    assert reply.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status"), [(WorkerLost("it crashed"), 500), (QueueFull("full", retry_after=1.2), 503)]
)
async def test_failures_have_their_status(error, status):
    backend = FakeBackend()
    backend.failure = error
    async with door(backend) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        reply = await http.post("/tts", json={"text": "a"})
    assert (reply.status_code, reply.json()["detail"]) == (status, str(error))
    assert reply.headers.get("retry-after") == ("2" if status == 503 else None)


@pytest.mark.parametrize(
    ("format", "content_type"),
    [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("ogg", "audio/ogg"), ("pcm", "audio/pcm")],
)
async def test_a_stream_is_labelled_as_what_it_is(format, content_type):
    async with door(FakeBackend()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        reply = await http.get("/tts/stream", params={"text": "hello there", "format": format})
    assert (reply.status_code, reply.headers["content-type"]) == (200, content_type)
    assert reply.headers["content-disposition"] == f"attachment; filename=tts_audio.{format}"
    assert "content-length" not in reply.headers
    assert reply.content


async def test_a_streamed_wav_is_read_to_its_end():
    async with door(FakeBackend()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        reply = await http.get("/tts/stream", params={"text": SENTENCES, "sample_rate": 8000})
    with wave.open(io.BytesIO(reply.content)) as file:
        assert len(file.readframes(10**7)) > 16_000


async def test_a_stream_arrives_while_it_is_made():
    backend = FakeBackend(gated=True)
    async with (
        door(backend) as opened,
        httpx.AsyncClient(base_url=opened.url) as http,
        anyio.create_task_group() as group,
    ):
        heard = anyio.Event()

        async def listen() -> None:
            async with http.stream("GET", "/tts/stream", params={"text": SENTENCES}) as reply:
                async for _ in reply.aiter_raw():
                    heard.set()
                    break

        group.start_soon(listen)
        backend.open_gate()
        await heard.wait()


async def test_a_listener_who_leaves_ends_the_speech():
    backend = FakeBackend(gated=True)
    async with door(backend) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        with anyio.move_on_after(0.2):
            await http.get("/tts/stream", params={"text": "hello"})
        await eventually(lambda: not opened.synthesizer.report().running)
    assert backend.cancelled == 1


async def test_a_stream_that_cannot_begin_is_an_error():
    backend = FakeBackend()
    backend.failure = WorkerLost("it crashed")
    async with door(backend) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        broken = await http.get("/tts/stream", params={"text": "hello"})
        unknown = await http.get("/tts/stream", params={"text": "hello", "voice": "nobody"})
        blank = await http.get("/tts/stream", params={"text": " "})
        missing = await http.get("/tts/stream")
    assert [reply.status_code for reply in (broken, unknown, blank, missing)] == [500, 404, 422, 422]


async def test_voices_backends_and_stats():
    broken = FakeBackend("broken", languages=[])
    broken.state = Health(False, "no model")
    async with door(FakeBackend(), broken) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        voices = (await http.get("/voices")).json()
        chinese = (await http.get("/voices", params={"language": "zh", "backend": "fake"})).json()
        unknown = await http.get("/voices", params={"backend": "edge"})
        unavailable = await http.get("/voices", params={"backend": "broken"})
        backends = (await http.get("/backends")).json()
        stats = (await http.get("/stats")).json()
    assert [voice["id"] for voice in voices] == ["fake-en-US", "fake-zh-CN"]
    assert [voice["id"] for voice in chinese] == ["fake-zh-CN"]
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "Backend 'edge' not found")
    assert unavailable.status_code == 503
    assert [(one["name"], one["available"], one["reason"]) for one in backends] == [
        ("fake", True, None),
        ("broken", False, "no model"),
    ]
    assert backends[0]["load"] == 0.0
    assert stats["cache_hit_rate"] == 0.0
    assert len(stats["backend_status"]) == 2
