"""Videos that come while they are drawn: over the WebSocket in binary messages, over HTTP as a body in chunks."""

import json

import httpx
import pytest

from tests.api.lipsync.boxes import boxes
from tests.api.lipsync.door import Held, door, process
from tests.lipsync.performers import Broken, FlatEngine, greys, png, portrait_threads, tone

pytestmark = pytest.mark.anyio

PATH = "/api/v1/lip-sync"
STREAM = {"stream": True}


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_video_comes_in_runs_of_whole_boxes_that_are_its_file():
    async with door() as live, live.client() as client:
        await client.send(process(2.0, options=STREAM))
        before, result = await client.until("result", "error")
    kinds = [each["type"] for each in before]
    assert kinds.count("stream") == 1 and "binary" not in kinds[: kinds.index("stream")]
    assert kinds.index("progress", kinds.index("binary")) and set(kinds) == {"progress", "stream", "binary"}
    parts = [each["data"] for each in before if each["type"] == "binary"]
    assert boxes(parts[0])[:2] == ["ftyp", "moov"] and len(parts) > 3
    for part in parts[1:]:
        assert set(boxes(part)) <= {"moof", "mdat", "mfra"}
    video = b"".join(parts)
    assert len(greys(video)) == 50 and result["video_size"] == len(video)
    assert "video_base64" not in result
    stream = before[kinds.index("stream")]
    for name in ("job_id", "codecs", "width", "height", "fps", "model_used", "requested_model", "image_id"):
        assert stream[name] == result[name], name


async def test_the_shortest_video_is_announced_too():
    async with door() as live, live.client() as client:
        await client.send(process(0.04, options=STREAM))
        before, result = await client.until("result", "error")
    kinds = [each["type"] for each in before if each["type"] != "progress"]
    assert kinds[:2] == ["stream", "binary"] and result["frames_processed"] == 1


@pytest.mark.parametrize("form", [False, True])
async def test_http_gives_the_same_while_it_is_drawn(form):
    held = Held(30)
    sent = {
        "files": {"audio": ("a.wav", tone(2.0)), "image": ("a.png", png())},
        "data": {"options": '{"model_type":"flat","stream":true}'},
    }
    body = sent if form else {"json": process(2.0), "params": {"stream": "true"}}
    async with door(held.engine) as live, httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        async with http.stream("POST", PATH, **body) as answer:
            chunks = answer.aiter_bytes()
            first = await anext(chunks)
            assert not held.is_over
            held.go_on()
            video = first + b"".join([chunk async for chunk in chunks])
        result = live.ended[0]
    assert answer.headers["content-type"] == "video/mp4" and "content-length" not in answer.headers
    assert answer.headers["x-codecs"].startswith("avc1.") and len(answer.headers["x-image-id"]) == 64
    assert (answer.headers["x-model-used"], answer.headers["cache-control"]) == ("flat", "no-store")
    assert len(greys(video)) == 50 and (result.outcome, result.frames) == ("done", 50)


async def test_http_says_why_another_one_draws():
    async with door() as live, httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        answer = await http.post(PATH, json=process(options={"model_type": None}), params={"stream": "true"})
    assert json.loads(answer.headers["x-fallback-reason"]) == "nota_wav2lip has no weights"


async def test_http_answers_with_an_error_what_fails_before_the_first_byte():
    async with door(faces=0) as live, httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        answer = await http.post(PATH, json=process(), params={"stream": "true"})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "processing_error")


@pytest.mark.parametrize("error", [Broken("no more"), KeyError("x")])
async def test_a_body_that_fails_half_way_does_not_end(error, caplog):
    def fail(number):
        if number == 60:
            raise error

    async with door(FlatEngine(before=fail)) as live, httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(PATH, json=process(4.0), params={"stream": "true"})
    assert live.ended[0].outcome == "failed" and portrait_threads() == []


async def test_a_stream_that_fails_half_way_is_an_error_and_the_connection_stays():
    def fail(number):
        if number == 60:
            raise Broken("no more")

    async with door(FlatEngine(before=fail)) as live, live.client() as client:
        await client.send(process(4.0, options=STREAM))
        before, error = await client.until("error", "result")
        assert error["error_type"] == "internal_error"
        assert [each["type"] for each in before].count("stream") == 1
        await client.send(process(0.2, options=STREAM))
        _, result = await client.until("error", "result")
        assert result["frames_processed"] == 5


async def test_who_leaves_a_body_ends_the_drawing():
    held = Held(60)
    async with door(held.engine) as live:
        async with (
            httpx.AsyncClient(base_url=live.live.url, timeout=30) as http,
            http.stream("POST", PATH, json=process(100.0), params={"stream": "true"}) as answer,
        ):
            chunks = answer.aiter_bytes()
            await anext(chunks)
            await held.there()
        held.go_on()
        await live.live.emptied()
        assert portrait_threads() == [] and live.ended[0].outcome == "cancelled"
