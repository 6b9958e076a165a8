import json

import pytest
from wyoming.event import Event as TheirEvent
from wyoming.info import Info

from app.api.wyoming import messages
from app.api.wyoming.events import Event
from app.errors import InvalidInput, QueueFull, RateLimited
from app.tts.speech import Gender, Voice

VOICES = [
    Voice("cmn", "Chinese", "zh-CN", Gender.MALE, "espeak"),
    Voice("cmn+f2", "Chinese, female 2", "zh-CN", Gender.FEMALE, "espeak"),
    Voice("amy", "Amy", "en-US", Gender.FEMALE, "piper"),
    Voice("amy", "Amy", "en-GB", Gender.FEMALE, "xtts"),
]


def written(raw: bytes) -> TheirEvent:
    line, _, rest = raw.partition(b"\n")
    header = json.loads(line)
    length = header.get("data_length", 0)
    return TheirEvent(header["type"], json.loads(rest[:length]) if length else {}, rest[length:] or None)


def test_voices_with_their_variants_as_speakers_and_backends_where_names_collide():
    [program] = Info.from_event(written(messages.encode_info(VOICES, version="1"))).tts
    described = [
        (voice.name, voice.languages, [speaker.name for speaker in voice.speakers or []]) for voice in program.voices
    ]
    assert described == [("cmn", ["zh-CN"], ["f2"]), ("piper/amy", ["en-US"], []), ("xtts/amy", ["en-GB"], [])]
    assert program.supports_synthesize_streaming


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        (None, (None, None, None)),
        (messages.WantedVoice(name="cmn"), (None, "cmn", None)),
        (messages.WantedVoice(name="cmn", speaker="f2"), (None, "cmn+f2", None)),
        (messages.WantedVoice(name="piper/amy"), ("piper", "amy", None)),
        (messages.WantedVoice(language="zh"), (None, None, "zh")),
        (messages.WantedVoice(name="", language=""), (None, None, None)),
    ],
)
def test_the_voice_that_is_wanted(wanted, asked):
    request = messages.request("a", wanted, None)
    assert (request.backend, request.voice, request.language) == asked


def test_audio_is_cut_into_chunks_with_their_times():
    raw = messages.encode_audio(bytes(messages.CHUNK_BYTES + 2), position=44_100)
    first = written(raw)
    assert first.data["timestamp"] == 1000
    assert raw.count(b"audio-chunk") == 2


@pytest.mark.parametrize("data", [{}, {"text": 1}, {"text": "a", "voice": "b"}])
def test_a_wrong_field_is_told(data):
    with pytest.raises(InvalidInput, match="synthesize: "):
        messages.read(Event("synthesize", data))


def test_what_is_not_known_is_nothing():
    assert messages.read(Event("transcribe", {})) is None


def test_codes_of_errors():
    codes = [written(messages.encode_failure(error)).data["code"] for error in (QueueFull("a"), RateLimited("b"))]
    assert codes == ["overloaded", "overloaded"]
