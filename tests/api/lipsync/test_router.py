import base64
import io
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import anyio
import av
import httpx
import pytest

from app.api.lipsync.limits import LipsyncLimits
from tests.api.lipsync.door import Held, door, process
from tests.eventually import eventually
from tests.lipsync.performers import Broken, FlatEngine, greys, png, portrait_threads, tone

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_client_is_greeted_at_once():
    async with door() as live, live.client() as client:
        assert client.greeting["type"] == "connection"
        assert UUID(client.greeting["client_id"])


async def test_a_picture_speaks():
    async with door() as live, live.client() as client:
        await client.send(process(2.0))
        before, result = await client.until("result", "error")

    assert {each["type"] for each in before} == {"progress"}
    percents = [each["progress"] for each in before]
    assert percents == sorted(percents) and percents[0] == 5 and percents[-1] == 100
    video = base64.b64decode(result["video_base64"])
    assert (result["video_size"], result["frames_processed"]) == (len(video), 50)
    assert len(greys(video)) == 50
    assert (result["model_used"], result["fallback_reason"], result["faces"]) == ("flat", None, 1)
    assert len(result["job_id"]) == 8


async def test_the_document_s_default_falls_back_and_says_so():
    async with door() as live, live.client() as client:
        await client.send(process(0.2, options={"model_type": None}))
        _, result = await client.until("result", "error")
    assert (result["model_used"], result["requested_model"]) == ("flat", "nota_wav2lip")
    assert result["fallback_reason"] == "nota_wav2lip has no weights"


async def test_pings_are_answered_and_others_refused_while_a_portrait_is_drawn():
    held = Held()
    async with door(held.engine) as live, live.client() as client:
        await client.send(process())
        await client.send({"type": "ping"})
        _, pong = await client.until("pong")
        assert pong["timestamp"] > 1e9
        await client.send(process())
        _, error = await client.until("error")
        assert error["error_type"] == "task_running"
        held.go_on()
        _, result = await client.until("result", "error")
        assert result["frames_processed"] == 25


async def test_a_cancelled_portrait_is_gone_before_that_is_said():
    held = Held()
    async with door(held.engine) as live, live.client() as client:
        await client.send(process(100.0))
        await held.there()
        await client.send({"type": "cancel"})
        held.go_on()
        _, cancelled = await client.until("cancelled", "result", "error")
        assert cancelled == {"type": "cancelled", "message": "Processing cancelled"}
        assert portrait_threads() == [] and live.renderer.line.running == 0
        await client.send(process(0.2))
        before, result = await client.until("result", "error")
        assert result["frames_processed"] == 5
        assert before[0]["progress"] == 5


async def test_there_may_be_nothing_to_cancel():
    async with door() as live, live.client() as client:
        await client.send({"type": "cancel"})
        assert await client.receive() == {"type": "info", "message": "No active processing to cancel"}


async def test_who_leaves_cancels():
    held = Held()
    async with door(held.engine) as live:
        async with live.client() as client:
            await client.send(process(100.0))
            await held.there()
        held.go_on()
        await live.live.emptied()
        assert portrait_threads() == []


async def test_two_clients_get_their_own():
    async with door() as live, live.client() as one, live.client() as other:
        await one.send(process(1.0))
        await other.send(process(2.0))
        results = [(await client.until("result", "error"))[1] for client in (one, other)]
    assert [each["frames_processed"] for each in results] == [25, 50]


async def test_everybody_gets_the_picture_that_he_sent():
    async def ask(client, side, by_name):
        picture = {"image_base64": base64.b64encode(png(width=side, height=side)).decode()}
        for _ in range(3):
            await client.send(process(0.4, **picture))
            _, result = await client.until("result", "error")
            with av.open(io.BytesIO(base64.b64decode(result["video_base64"]))) as video:
                assert (video.streams.video[0].width, result["width"]) == (side, side)
            if by_name:
                picture = {"image_base64": None, "image_id": result["image_id"]}

    sides = (64, 96, 128, 160)
    async with door() as live, AsyncExitStack() as stack, anyio.create_task_group() as group:
        for number, side in enumerate(sides):
            client = await stack.enter_async_context(live.client())
            group.start_soon(ask, client, side, number % 2)
    assert [each.outcome for each in live.ended] == ["done"] * 12


async def test_cancel_leaves_the_line():
    held = Held()
    async with door(held.engine) as live, live.client() as one, live.client() as two, live.client() as three:
        for client in (one, two):
            await client.send(process(1.0))
        await eventually(lambda: live.renderer.line.running == 2)
        await three.send(process(1.0))
        await eventually(lambda: live.renderer.line.waiting == 1)
        await three.send({"type": "cancel"})
        assert (await three.until("cancelled", "result", "error"))[1]["type"] == "cancelled"
        assert (live.renderer.line.running, live.renderer.line.waiting) == (2, 0)
        held.go_on()
        for client in (one, two):
            assert (await client.until("result", "error"))[1]["frames_processed"] == 25


@pytest.mark.parametrize(
    ("message", "error_type", "said"),
    [
        ("{", "json_error", "Invalid JSON format"),
        ("[]", "validation_error", "JSON object"),
        ({"type": "dance"}, "validation_error", "Unknown message type: dance"),
        ({"type": "process"}, "validation_error", "Missing required fields: audio_base64, image_base64"),
        (process(image_base64=None), "validation_error", "Missing required fields: image_base64"),
        (process(audio_base64=""), "validation_error", "Empty audio or image data"),
        (process(audio_base64="QUJD*"), "validation_error", "Invalid base64 encoding"),
        (process(audio_base64="QUJD"), "validation_error", "audio begins with 41 42 43"),
        (process(image_base64="QUJD"), "validation_error", "not a JPEG, PNG or WebP"),
        (process(options={"resize_factor": 3}), "validation_error", "resize_factor"),
        (process(options={"pads": [1, 2]}), "validation_error", "pads"),
        (process(options={"model_type": "gan"}), "validation_error", "'gan' is unknown"),
        (process(options={"fps": 0}), "validation_error", "fps is 0"),
        (process(options={"face": 4}), "validation_error", "face 4"),
    ],
)
async def test_what_cannot_be_taken_is_told_and_the_connection_stays(message, error_type, said):
    async with door() as live, live.client() as client:
        await client.send(message)
        _, error = await client.until("error", "result")
        assert (error["type"], error["error_type"]) == ("error", error_type)
        assert said in error["message"]
        await client.send({"type": "ping"})
        assert (await client.receive())["type"] == "pong"


async def test_a_picture_without_a_face_is_a_processing_error():
    async with door(faces=0) as live, live.client() as client:
        await client.send(process())
        _, error = await client.until("error")
    assert (error["error_type"], error["message"]) == ("processing_error", "no face was found in the picture")


async def test_what_is_too_large_is_told():
    limits = replace(LipsyncLimits(), max_audio_bytes=2**20, max_image_bytes=2**10)
    async with door(limits=limits) as live, live.client() as client:
        for name, size, most in (("audio", 2**20 + 1, 1), ("image", 2**10 + 1, 2**-10)):
            await client.send(process(**{f"{name}_base64": base64.b64encode(bytes(size)).decode()}))
            _, error = await client.until("error")
            assert error["message"] == f"{name.title()} file too large (max {most:g}MB)"


async def test_a_large_message_may_only_be_a_portrait():
    async with door() as live, live.client() as client:
        await client.send({"type": "ping", "padding": "x" * 100_000})
        _, error = await client.until("error")
    assert error["error_type"] == "validation_error" and "must be 'process'" in error["message"]


async def test_what_takes_too_long_is_a_processing_error():
    held = Held()
    async with door(held.engine, timeout=0.5) as live, live.client() as client:
        await client.send(process(100.0))
        await anyio.sleep(0.6)
        held.go_on()
        _, error = await client.until("error", "result")
    assert error["error_type"] == "processing_error" and "within 0.5 s" in error["message"]


@pytest.mark.parametrize(("error", "said"), [(Broken("no more"), "no more"), (KeyError("secret"), "the server failed")])
async def test_what_fails_is_an_internal_error_without_what_is_not_ours(error, said):
    def fail(number):
        raise error

    async with door(FlatEngine(before=fail)) as live, live.client() as client:
        await client.send(process())
        _, told = await client.until("error", "result")
    assert told["error_type"] == "internal_error" and said in told["message"] and "secret" not in told["message"]


async def test_health_tells_how_busy_it_is():
    held = Held()
    async with door(held.engine) as live, live.client() as client, httpx.AsyncClient(base_url=live.live.url) as http:
        idle = (await http.get("/ws/health")).json()
        await client.send(process())
        await held.there()
        busy = (await http.get("/ws/health")).json()
        held.go_on()
        await client.until("result")
    assert idle == {
        "status": "healthy",
        "active_connections": 1,
        "processing_tasks": 0,
        "services_initialized": True,
        "engines": {"flat": None, "nota_wav2lip": "nota_wav2lip has no weights"},
        "faces": None,
    }
    assert busy == idle | {"processing_tasks": 1}


async def test_the_test_client_gets_its_video(tmp_path):
    (tmp_path / "a.wav").write_bytes(tone(1.0))
    (tmp_path / "a.png").write_bytes(png())
    async with door() as live:
        url = f"{live.live.ws_url}/ws/lip-sync"
        runs = [await _client("--url", url), await _client("--url", url, "-a", "a.wav", "-i", "a.png", cwd=tmp_path)]
        streamed = await _client("-u", url, "-a", "a.wav", "-i", "a.png", "-s", "-o", "s.mp4", cwd=tmp_path)
    refused = await _client("--url", "ws://127.0.0.1:1/ws/lip-sync")

    assert [run.returncode for run in (*runs, streamed, refused)] == [0, 0, 0, 1]
    assert "nota_wav2lip has no weights" in runs[1].stdout.decode()
    for name in ("result.mp4", "s.mp4"):
        assert len(greys((tmp_path / name).read_bytes())) == 25


async def _client(*arguments, cwd=None):
    script = Path(__file__).parents[3] / "scripts" / "websocket_test_client.py"
    return await anyio.run_process([sys.executable, str(script), *arguments], cwd=cwd, check=False)
