import httpx
import pytest

from app.tts.backends.espeak import Espeak
from app.tts.backends.tone import Tone
from tests.api.danmu.door import door
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio


async def ask(**query: object) -> httpx.Response:
    async with door(Tone(sample_rate=16_000), FakeBackend()) as opened, httpx.AsyncClient(base_url=opened.url) as http:
        return await http.get("/tts/captions", params=query)


async def test_captions_are_webvtt_unless_asked_otherwise():
    reply = await ask(text="hello")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/vtt; charset=utf-8")
    assert reply.text == "WEBVTT\n\n00:00:00.000 --> 00:00:00.250\nhello\n"


async def test_words_have_their_times_if_asked_for():
    reply = await ask(text="ab", word_times=True)
    assert reply.text.endswith("\na<00:00:00.050>b\n")


async def test_captions_are_subrip():
    reply = await ask(text="你好，世界", format="srt")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-subrip; charset=utf-8")
    assert reply.text == "1\n00:00:00,000 --> 00:00:00,250\n你好，世界\n"


async def test_captions_are_json():
    reply = await ask(text="ab", format="json", speed=0.5)
    assert reply.json() == {
        "backend": "tone",
        "voice": "en",
        "duration": 0.2,
        "cues": [
            {
                "start": 0.0,
                "end": 0.2,
                "lines": ["ab"],
                "words": [{"text": "a", "start": 0.0, "end": 0.1}, {"text": "b", "start": 0.1, "end": 0.2}],
            }
        ],
    }


async def test_captions_of_markup_hold_its_text_alone():
    reply = await ask(text="<speak>one<break time='1s'/>two</speak>", ssml=True, format="srt")
    assert [line for line in reply.text.split("\n") if line.isalpha()] == ["one", "two"]


async def test_a_voice_without_times_has_no_captions():
    reply = await ask(text="hello", backend="fake")
    assert reply.status_code == 422
    assert reply.json()["field"] == "backend"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 422),
        ({"text": ""}, 422),
        ({"text": "x" * 1001}, 422),
        ({"text": "a", "format": "ass"}, 422),
        ({"text": "a", "speed": 9}, 422),
        ({"text": "a", "voice": "nobody"}, 404),
        ({"text": "a", "backend": "edge"}, 503),
    ],
)
async def test_bad_queries_are_explained(query, status):
    reply = await ask(**query)
    assert reply.status_code == status
    assert reply.json()["detail"]


async def test_captions_fit_the_speech_that_is_answered_with_times():
    text = "Hello, everyone! Thank you so much for coming to the show, it is going to be a long night. Here we go."
    opening = door(Espeak(workers=1), cache_bytes=2**20)
    async with opening as opened, httpx.AsyncClient(base_url=opened.url) as http:
        captions = (await http.get("/tts/captions", params={"text": text, "format": "json"})).json()
        speech = (await http.post("/tts", json={"text": text, "timestamps": True})).json()
    assert speech["cached"]
    assert speech["metadata"]["duration"] == captions["duration"]
    shown = [word["start"] for cue in captions["cues"] for word in cue["words"]]
    assert shown == [word["start"] for word in speech["timestamps"]["words"]]
    assert " ".join(line for cue in captions["cues"] for line in cue["lines"]) == text
    assert all(cue["end"] <= captions["duration"] for cue in captions["cues"])
