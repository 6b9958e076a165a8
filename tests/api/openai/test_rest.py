import base64
import json
from contextlib import AbstractAsyncContextManager

import anyio
import httpx
import httpx2
import openai
import pytest
from openai._response import AsyncStreamedBinaryAPIResponse

from app.audio.decode import Clip, decode
from app.errors import QueueFull, WorkerLost
from app.tts.backend import Health
from app.tts.backends.espeak import Espeak
from app.tts.backends.tone import Tone
from app.tts.score import MIN_MARK_SECONDS
from tests.api.openai.door import CREATED, Door, door
from tests.eventually import eventually
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio

FORMATS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
SENTENCES = " ".join(f"This is the sentence with number {n}." for n in range(40))


def listen(data: bytes, *, format: str = "wav") -> Clip:
    pcm_rate = 24_000 if format == "pcm" else None
    return decode(data, sample_rate=None, max_samples=10**7, max_bytes=10**7, pcm_rate=pcm_rate)


def events(body: bytes) -> list[dict]:
    return [json.loads(line.removeprefix("data: ")) for line in body.decode().split("\n\n") if line]


def stream(opened: Door, **body: str) -> AbstractAsyncContextManager[AsyncStreamedBinaryAPIResponse]:
    create = opened.client.audio.speech.with_streaming_response.create
    return create(**{"model": "tts-1", "voice": "alloy", "input": SENTENCES, **body})


class Halting(FakeBackend):
    """Speaks its first piece, and the second one when the gate is opened."""

    async def synthesize(self, utterance, *, whole):
        if self.started < 2:
            self._gate = anyio.Event()
        if not self.started:
            self.open_gate()
        async for sound in super().synthesize(utterance, whole=whole):
            yield sound


class Fading(FakeBackend):
    """Speaks its first piece and breaks at the second."""

    async def synthesize(self, utterance, *, whole):
        self.failure = WorkerLost("it crashed") if self.started else None
        async for sound in super().synthesize(utterance, whole=whole):
            yield sound


@pytest.mark.parametrize("format", FORMATS)
async def test_every_format_holds_the_speech(format):
    async with door(Tone()) as opened:
        reply = await opened.speech(response_format=format)
    clip = listen(reply.content, format=format)
    assert reply.response.headers["content-type"] == "audio/" + format.replace("mp3", "mpeg")
    assert clip.sample_rate == (48_000 if format == "opus" else 24_000)  # Opus always decodes at 48 kHz
    assert clip.duration == pytest.approx(len("hello there") * 0.05, abs=0.1)
    assert abs(clip.samples).max() > 0.1


async def test_mp3_is_what_nobody_asked_for():
    async with door(Tone()) as opened:
        reply = await opened.speech()
    assert reply.response.headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize("format", FORMATS)
async def test_high_quality_has_more_samples_where_clients_expect_none(format):
    async with door(Tone()) as opened:
        reply = await opened.speech(model="tts-1-hd", response_format=format)
    assert listen(reply.content, format=format).sample_rate == (24_000 if format in ("wav", "pcm") else 48_000)


async def test_the_blocking_client_works_too():
    async with door(Tone()) as opened:

        def speak() -> tuple[bytes, bytes, list[str]]:
            with opened.sync_client() as client:
                asked = {"model": "tts-1", "voice": "nova", "input": "hello", "response_format": "wav"}
                whole = client.audio.speech.create(**asked).content
                with client.audio.speech.with_streaming_response.create(**asked) as reply:
                    return whole, b"".join(reply.iter_bytes()), [model.id for model in client.models.list()]

        whole, streamed, models = await anyio.to_thread.run_sync(speak)
    assert listen(whole).duration == pytest.approx(0.25, abs=0.001)
    assert (streamed, models) == (whole, ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "tone"])


async def test_speech_arrives_while_it_is_made():
    backend = Halting()
    async with door(backend) as opened, stream(opened, response_format="pcm") as reply:
        assert reply.headers["transfer-encoding"] == "chunked"
        pieces = reply.iter_bytes()
        first = await anext(pieces)
        await eventually(lambda: backend.started == 2)
        assert len(backend.spoken) == 1
        backend.open_gate()
        rest = b"".join([piece async for piece in pieces])
    pauses = MIN_MARK_SECONDS * (len(backend.spoken) - 1)
    seconds = len("".join(backend.spoken)) * 0.01 + pauses
    assert listen(first + rest, format="pcm").duration == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
async def test_speed_reaches_the_backend(speed):
    async with door(Tone()) as opened:
        reply = await opened.speech(speed=speed, response_format="wav")
    assert listen(reply.content).duration == pytest.approx(len("hello there") * 0.05 / speed, rel=0.01)


async def test_the_embedded_voice_speaks_faster_when_asked():
    async with door(Espeak(workers=1)) as opened:
        slow = await opened.speech(speed=0.7, response_format="flac")
        fast = await opened.speech(speed=1.4, response_format="flac")
    assert listen(slow.content).duration > 1.4 * listen(fast.content).duration


async def test_instructions_are_accepted():
    async with door(Tone()) as opened:
        plain = await opened.speech(response_format="pcm")
        told = await opened.speech(response_format="pcm", instructions="Whisper.", extra_body={"lang_code": "a"})
    assert told.content == plain.content


async def test_an_alias_is_a_voice_of_the_text_s_language():
    heard = {}
    async with door(Tone()) as opened:
        for voice in ("nova", "onyx", "en", "en-low", "zh-low"):
            text = "你好" if voice == "zh-low" else "hi"
            heard[voice] = (await opened.speech(voice=voice, input=text, response_format="pcm")).content
        chinese = (await opened.speech(voice={"id": "onyx"}, input="你好", response_format="pcm")).content
    assert heard["nova"] == heard["en"] != heard["onyx"] == heard["en-low"]
    assert chinese == heard["zh-low"]


async def test_a_voice_of_another_service_is_replaced_by_the_engine():
    async with door(FakeBackend()) as opened:
        reply = await opened.speech(voice="zh-CN-XiaoxiaoNeural", response_format="pcm")
    assert reply.content


async def test_a_model_may_be_a_backend():
    first, second = FakeBackend("first"), FakeBackend("second")
    async with door(first, second) as opened:
        for model in ("second", "tts-1", "gpt-4o-mini-tts-2025-12-15"):
            await opened.speech(model=model, input="hello")
    assert (len(second.spoken), len(first.spoken)) == (1, 2)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": ""}, "input", "string_below_min_length"),
        ({"input": "x" * 4097}, "input", "string_above_max_length"),
        ({"input": "  "}, "input", "nothing_to_speak"),
        ({"input": 7}, "input", "invalid_type"),
        ({"response_format": "ogg"}, "response_format", "invalid_value"),
        ({"stream_format": "ws"}, "stream_format", "invalid_value"),
        ({"speed": 0.2}, "speed", "decimal_below_min_value"),
        ({"speed": 4.5}, "speed", "decimal_above_max_value"),
        ({"speed": "fast"}, "speed", "invalid_type"),
        ({"voice": {"id": 7}}, "voice", "invalid_type"),
        ({"model": None}, "model", "invalid_type"),
    ],
)
async def test_bad_bodies_are_bad_requests(body, param, code):
    async with door(FakeBackend()) as opened:
        with pytest.raises(openai.BadRequestError) as caught:
            await opened.speech(**body)
    assert (caught.value.type, caught.value.param, caught.value.code) == ("invalid_request_error", param, code)
    assert caught.value.body["message"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_body"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_body"),
        (b"[" * 100_000, "invalid_body"),
        (b'"\xff"', "invalid_body"),
        (b"{}", "missing_required_parameter"),
        (b'{"model":"tts-1","voice":"alloy","input":"\\ud800"}', "invalid_type"),
        (b'{"model":"tts-1","voice":"alloy","input":"a","speed":NaN}', "decimal_above_max_value"),
    ],
)
async def test_what_is_no_body_is_told_in_the_same_shape(content, code):
    async with door(FakeBackend()) as opened:
        headers = {"content-type": "application/json"}
        reply = await opened.http.post("/v1/audio/speech", content=content, headers=headers)
        unlabelled = await opened.http.post("/v1/audio/speech", content=content)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert (unlabelled.status_code, set(unlabelled.json())) == (400, {"error"})


async def test_the_documentation_promises_no_answer_of_another_shape():
    async with door(FakeBackend()) as opened:
        paths = (await opened.http.get("/openapi.json")).json()["paths"]
    replies = [set(told["responses"]) for path in paths.values() for told in path.values()]
    assert replies == [{"200", "4XX", "5XX"}] * 4


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": "gpt-9"}, "model", "model_not_found"),
        ({"model": "auto"}, "model", "model_not_found"),
        ({"voice": "nobody"}, "voice", "voice_not_found"),
        ({"model": "fake", "voice": "zh-CN-XiaoxiaoNeural"}, "voice", "voice_not_found"),
    ],
)
async def test_what_does_not_exist_is_not_found(body, param, code):
    async with door(FakeBackend()) as opened:
        with pytest.raises(openai.NotFoundError) as caught:
            await opened.speech(**body)
    assert (caught.value.param, caught.value.code) == (param, code)


async def test_a_full_line_is_a_rate_limit():
    backend = FakeBackend()
    backend.failure = QueueFull("the line is full", retry_after=1.2)
    async with door(backend) as opened:
        with pytest.raises(openai.RateLimitError) as caught:
            await opened.speech()
    assert caught.value.response.headers["retry-after"] == "2"
    assert (caught.value.type, caught.value.code) == ("rate_limit_error", "rate_limit_exceeded")


async def test_a_client_tries_again_when_it_is_told_to():
    backend = FakeBackend()
    backend.failure = QueueFull("the line is full", retry_after=0.0)
    async with door(backend) as opened:
        with pytest.raises(openai.RateLimitError):
            await opened.client.with_options(max_retries=1).audio.speech.create(
                model="fake", voice="alloy", input="hello"
            )
    assert backend.started == 2


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_a_voice_that_breaks_is_a_server_error(stream_format):
    backend = FakeBackend()
    backend.failure = WorkerLost("it crashed")
    async with door(backend) as opened:
        with pytest.raises(openai.InternalServerError) as caught:
            await opened.speech(stream_format=stream_format)
    assert (caught.value.status_code, caught.value.code) == (500, "speech_failed")


async def test_a_backend_that_cannot_speak_is_unavailable():
    broken = FakeBackend("broken")
    broken.state = Health(False, "no model")
    async with door(FakeBackend(), broken) as opened:
        with pytest.raises(openai.InternalServerError) as caught:
            await opened.speech(model="broken")
    assert (caught.value.status_code, caught.value.code) == (503, "model_unavailable")
    assert "no model" in caught.value.body["message"]


async def test_events_carry_the_same_file():
    async with door(Tone()) as opened:
        whole = await opened.speech(response_format="wav")
        async with stream(opened, input="hello there", response_format="wav", stream_format="sse") as reply:
            told = [json.loads(line.removeprefix("data: ")) async for line in reply.iter_lines() if line]
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert {event["type"] for event in told[:-1]} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in told[:-1]) == whole.content
    assert told[-1] == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
    }


async def test_half_a_speech_is_never_taken_for_a_whole_one():
    async with door(Fading()) as opened:
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            await opened.speech(input=SENTENCES, response_format="pcm")


async def test_events_tell_what_broke_half_way():
    async with door(Fading()) as opened:
        reply = await opened.speech(input=SENTENCES, response_format="pcm", stream_format="sse")
    told = events(reply.content)
    assert told[0]["type"] == "speech.audio.delta"
    assert (told[-1]["type"], told[-1]["error"]["code"]) == ("error", "speech_failed")


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_a_listener_who_leaves_frees_the_turn(stream_format):
    backend = Halting()
    async with door(backend) as opened:
        async with stream(opened, response_format="pcm", stream_format=stream_format) as reply:
            async for _ in reply.iter_bytes():
                break
            await eventually(lambda: backend.started == 2)
            assert opened.synthesizer.report().running == 1
        await eventually(lambda: not opened.synthesizer.report().running)
        assert backend.cancelled == 1


async def test_the_models_are_the_aliases_and_who_can_speak():
    broken = FakeBackend("broken")
    broken.state = Health(False, "no model")
    async with door(FakeBackend(), broken) as opened:
        listed = [model async for model in opened.client.models.list()]
        one = await opened.client.models.retrieve("fake")
        for name in ("broken", "gpt-9", "a/b"):
            with pytest.raises(openai.NotFoundError) as caught:
                await opened.client.models.retrieve(name)
            assert caught.value.code == "model_not_found"
    assert [model.id for model in listed] == ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "fake"]
    assert one.to_dict() == {"id": "fake", "object": "model", "created": CREATED, "owned_by": "chorus"}


async def test_the_voices_are_the_aliases_and_everybody_s():
    async with door(FakeBackend("one"), FakeBackend("two")) as opened:
        listed = (await opened.http.get("/v1/audio/voices")).json()["voices"]
        chinese = (await opened.http.get("/v1/audio/voices", params={"model": "two", "language": "zh"})).json()
        unknown = await opened.http.get("/v1/audio/voices", params={"model": "three"})
    assert listed[0] == {"id": "alloy", "name": "Alloy", "language": None, "gender": "female", "model": None}
    assert [voice["id"] for voice in listed[13:]] == ["one-en-US", "one-zh-CN", "two-en-US", "two-zh-CN"]
    assert [voice["id"] for voice in chinese["voices"][13:]] == ["two-zh-CN"]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


async def test_the_voices_of_a_backend_that_cannot_speak_are_not_there():
    broken = FakeBackend("broken")
    broken.state = Health(False, "no model")
    async with door(FakeBackend(), broken) as opened:
        reply: httpx.Response = await opened.http.get("/v1/audio/voices", params={"model": "broken"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (503, "model")


@pytest.mark.parametrize("required", [False, True])
async def test_a_wrong_key_is_refused(required):
    async with door(FakeBackend(), required=required, key="sk-nobody") as opened:
        with pytest.raises(openai.AuthenticationError):
            await opened.speech()


async def test_where_a_key_is_needed_the_right_one_opens():
    async with door(FakeBackend(), required=True) as opened:
        assert (await opened.speech()).content
        assert (await opened.post()).status_code == 401
