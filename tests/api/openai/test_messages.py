import base64
import json

import pytest
from pydantic import ValidationError

from app.api.openai import messages
from app.api.openai.messages import SpeechBody
from app.tts.speech import Quality

ASKED = {"model": "tts-1", "input": "hello", "voice": "alloy"}


def test_what_is_not_said_is_none():
    body = SpeechBody.model_validate(ASKED | {"speed": None, "lang_code": "a"})
    assert (body.voice, body.response_format, body.speed, body.stream_format) == ("alloy", None, None, None)


def test_a_voice_may_be_an_object():
    assert SpeechBody.model_validate(ASKED | {"voice": {"id": "cmn+f2"}}).voice == "cmn+f2"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"input": ""},
        {"input": "x" * 4097},
        {"voice": ""},
        {"voice": {"name": "alloy"}},
        {"voice": {"id": 7}},
        {"response_format": "ogg"},
        {"speed": 0.24},
        {"speed": 4.01},
        {"speed": float("nan")},
        {"stream_format": "websocket"},
        {"instructions": "x" * 4097},
    ],
)
def test_what_breaks_a_rule_is_refused(wrong):
    with pytest.raises(ValidationError):
        SpeechBody.model_validate(ASKED | wrong)


@pytest.mark.parametrize(
    ("model", "quality"),
    [
        ("tts-1", Quality.MEDIUM),
        ("tts-1-hd", Quality.HIGH),
        ("gpt-4o-mini-tts", Quality.MEDIUM),
        ("gpt-4o-mini-tts-2025-12-15", Quality.MEDIUM),
        ("espeak", None),
        ("-2025-12-15", None),
    ],
)
def test_openais_models_are_qualities(model, quality):
    assert messages.quality_of(model) is quality


def test_the_rate_is_openais_but_for_high_quality():
    assert {messages.sample_rate(name, Quality.MEDIUM) for name in messages.FORMATS} == {24_000}
    assert messages.sample_rate("flac", Quality.HIGH) == 48_000
    assert [messages.sample_rate(name, Quality.HIGH) for name in ("wav", "pcm")] == [24_000, 24_000]


def test_content_types_are_openais():
    assert {name: messages.content_type(name) for name in messages.FORMATS} == {
        "mp3": "audio/mpeg",
        "opus": "audio/opus",
        "aac": "audio/aac",
        "flac": "audio/flac",
        "wav": "audio/wav",
        "pcm": "audio/pcm",
    }


def test_events_are_lines_of_data():
    delta, done = messages.encode_delta(b"\x00\xff\n"), messages.encode_done()
    for event in (delta, done):
        assert event.startswith(b"data: {") and event.endswith(b"}\n\n") and event.count(b"\n") == 2
    assert base64.b64decode(json.loads(delta[6:])["audio"]) == b"\x00\xff\n"
    assert json.loads(done[6:])["usage"] == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
