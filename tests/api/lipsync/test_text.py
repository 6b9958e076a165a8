"""Texts that are spoken before they are drawn."""

import base64

import anyio
import httpx
import pytest

from app.api.lipsync.reading import MAX_TEXT_CHARACTERS
from app.lipsync.script import Script
from tests.api.lipsync.door import Held, door, process
from tests.lipsync.performers import greys, png, portrait_threads

pytestmark = pytest.mark.anyio

PATH = "/api/v1/lip-sync"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def says(text, **changes):
    return process(audio_base64=None, text=text, **changes)


async def test_a_text_speaks():
    said = {"voice": "f1", "backend": "espeak", "language": "en-GB", "speed": 1.5, "ssml": True}
    async with door() as live, live.client() as client:
        await client.send(says("0123456789", **said))
        before, result = await client.until("result", "error")
    assert result["frames_processed"] == 25
    assert (result["voice"], result["backend"]) == ("beep", "beeper")
    assert live.speaker.scripts == [Script("0123456789", *said.values())]
    assert "Speaking the text" in [each["message"] for each in before]


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"text": "01234", "image_base64": process()["image_base64"], "options": {"model_type": "flat"}}},
        {
            "data": {"text": "01234", "speed": "2", "options": '{"model_type":"flat"}'},
            "files": {"image": ("a.png", png())},
        },
    ],
)
async def test_a_text_speaks_over_http(body):
    async with door() as live, httpx.AsyncClient(base_url=live.live.url, timeout=30) as http:
        answer = await http.post(PATH, headers={"accept": "video/mp4"}, **body)
        assert len(greys(answer.content)) == 13
        answer = await http.post(PATH, params={"stream": True}, **body)
        assert len(greys(answer.content)) == 13
    assert live.speaker.scripts[0].speed == (2.0 if "data" in body else 1.0)


async def test_a_long_text_comes_through_a_large_message_with_all_its_escapes():
    text = 'Xin chào "thế giới"\\ \n' * 300
    damaged = base64.b64encode(png()[:60] + bytes(60_000)).decode()
    async with door() as live, live.client() as client:
        await client.send(says(text, image_base64=damaged))
        assert (await client.until("error", "result"))[1]["message"] == "the picture is damaged"
        assert live.speaker.scripts == [Script(text)]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (says(" "), "nothing in it"),
        (says("Hi", speed=9), "speed 9"),
        (says("x" * (MAX_TEXT_CHARACTERS + 1)), f"text has {MAX_TEXT_CHARACTERS + 1} characters"),
        (says("x" * 2_000_000), "text has more than"),
        (process(text="Hi"), "only one of audio_base64, text"),
        (process(image_id="0" * 64), "only one of image_base64, image_id"),
        (process(video_base64="QUJD"), "only one of image_base64, video_base64"),
        (process(image_base64=None, image_id="x", video_base64="QUJD"), "only one of image_id, video_base64"),
        (process(audio_base64=None), "Missing required fields: audio_base64"),
        ({"type": "process", "text": "Hi"}, "Missing required fields: image_base64"),
        (says(5), "text"),
        (process(image_base64=None, video_base64=""), "Empty audio or video data"),
    ],
)
async def test_what_cannot_be_spoken_is_told(message, said):
    async with door() as live, live.client() as client:
        await client.send(message)
        _, error = await client.until("error", "result")
        assert error["error_type"] == "validation_error" and said in error["message"]
        await client.send(says("01234"))
        assert (await client.until("error", "result"))[1]["frames_processed"] == 13


async def test_cancel_ends_the_speech_before_that_is_said():
    async with door() as live, live.client() as client:
        live.speaker.may_speak = anyio.Event()
        await client.send(says("0123456789"))
        await live.speaker.is_asked.wait()
        await client.send({"type": "cancel"})
        _, told = await client.until("cancelled", "result", "error")
        assert told["type"] == "cancelled" and live.speaker.cancelled == 1
        assert live.ended[0].outcome == "cancelled" and live.atelier.jobs == 0


async def test_cancel_ends_the_drawing_of_a_text():
    held = Held()
    async with door(held.engine) as live, live.client() as client:
        await client.send(says("0123456789"))
        await held.there()
        await client.send({"type": "cancel"})
        held.go_on()
        assert (await client.until("cancelled", "result", "error"))[1]["type"] == "cancelled"
        assert portrait_threads() == []


async def test_who_leaves_ends_the_speech():
    async with door() as live:
        async with live.client() as client:
            live.speaker.may_speak = anyio.Event()
            await client.send(says("0123456789"))
            await live.speaker.is_asked.wait()
            await client.cut()
        await live.live.emptied()
        assert live.speaker.cancelled == 1


async def test_a_text_that_takes_too_long_is_a_processing_error():
    async with door(timeout=0.05) as live, live.client() as client:
        live.speaker.may_speak = anyio.Event()
        await client.send(says("0123456789"))
        _, error = await client.until("error", "result")
    assert error["error_type"] == "processing_error" and "within 0.05 s" in error["message"]


@pytest.mark.parametrize(("model", "said"), [("nota_wav2lip", "has no weights"), ("flat", "needs nota_wav2lip")])
async def test_a_film_that_nobody_can_draw_into_is_a_processing_error(model, said):
    message = process(image_base64=None, video_base64="QUJD", options={"model_type": model})
    async with door() as live, live.client() as client, httpx.AsyncClient(base_url=live.live.url) as http:
        await client.send(message)
        _, error = await client.until("error", "result")
        answer = await http.post(PATH, json=message)
    assert error["error_type"] == answer.json()["error_type"] == "processing_error"
    assert said in error["message"] and answer.status_code == 503
