from dataclasses import replace

import pytest

from app.errors import BackendUnavailable, InvalidInput, NothingToSpeak, VoiceNotFound
from app.runtime.queue import Priority
from app.runtime.workers import Workers
from app.takes.casting import Casting
from app.takes.parts import SENTENCE_REST
from app.takes.prosody import SimpleProsody
from app.takes.reading import Reading
from app.takes.shape import Shape
from app.takes.take import Wording
from app.tts.backend import Health
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.takes.stage import VOICE
from tests.tts.fake_backend import FakeBackend

pytestmark = pytest.mark.anyio


def engine(backend: FakeBackend | None = None) -> Synthesizer:
    workers = Workers({"codec": 1})
    return Synthesizer([backend or FakeBackend()], workers=workers, cache=SpeechCache(max_bytes=0), queue_depth=9)


def read(synthesizer: Synthesizer, text: str, voice=VOICE, **wording) -> Reading:
    casting = Casting(synthesizer)
    return Reading(Wording(text, **wording), voice, synthesizer=synthesizer, casting=casting, default_language="en-US")


async def test_lines_are_clean_sentences_in_the_voice_of_their_language():
    lines = list(read(engine(), "Hello there, my friend! 你好，世界。").lines())
    assert [(line.request.text, line.request.voice) for line in lines] == [
        ("Hello there, my friend!", "fake-en-US"),
        ("你好，世界。", "fake-zh-CN"),
    ]


async def test_a_language_that_is_named_holds_for_all():
    lines = read(engine(), "Hello there, my friend! 你好。", override_language="zh-CN").lines()
    assert {line.request.voice for line in lines} == {"fake-zh-CN"}


async def test_what_the_model_has_no_voice_for_is_read_by_the_voice_of_the_rest():
    lines = read(engine(), "Hello there, my friend! Привет.").lines()
    assert {line.request.voice for line in lines} == {"fake-en-US"}


async def test_what_cannot_be_spoken_is_passed_over_and_counted():
    reading = read(engine(), "🎉 Hello. ... How are you? 🎉🎉")
    lines = list(reading.lines())
    assert [line.request.text for line in lines] == ["Hello.", "How are you?"]
    assert lines[-1].pieces <= await reading.count()


async def test_counting_before_the_lines_are_taken_loses_none():
    reading = read(engine(), "One. Two. Three.")
    lines = reading.lines()
    first = next(lines)
    assert await reading.count() == 3
    assert [line.pieces for line in (first, *lines)] == [1, 2, 3]


async def test_the_voice_and_the_wording_shape_the_speech():
    voice = replace(VOICE, design=replace(VOICE.design, shape=Shape(pitch=2.0)))
    (line,) = read(engine(), "Hello.", voice, prosody=SimpleProsody(pitch=0, pace=10, expression=0)).lines()
    assert line.request.manner.pitch == 2.0 and line.request.speed > 1.5
    assert line.rest == pytest.approx(SENTENCE_REST / line.request.speed)


@pytest.mark.parametrize(
    ("text", "wording", "error"),
    [
        ("... 🎉", {}, NothingToSpeak),
        ("", {}, NothingToSpeak),
        ("Hello.", {"style": ("shouting",)}, InvalidInput),
        ("Hello.", {"override_language": "ru"}, VoiceNotFound),
        ("Привет.", {}, VoiceNotFound),
    ],
)
async def test_what_cannot_be_read_is_said_at_once(text, wording, error):
    with pytest.raises(error):
        read(engine(), text, **wording)


async def test_a_model_that_is_away_is_said_at_once():
    backend = FakeBackend()
    backend.state = Health(False, "no model")
    with pytest.raises(BackendUnavailable, match="no model"):
        read(engine(backend), "Hello.")


async def test_a_line_that_is_spoken_is_a_part_at_the_backends_own_rate_that_ends_in_silence():
    async with engine() as synthesizer:
        reading = read(synthesizer, "Hello.")
        (line,) = reading.lines()
        part = await reading.speak(line, index=3, client="a", priority=Priority.NORMAL)
    spoken, rest = 6 * 80, round(SENTENCE_REST * 8000)
    assert (part.index, part.sample_rate, part.text) == (3, 8000, "Hello.")
    assert (len(part.pcm) // 2, part.pcm[-2 * rest :]) == (spoken + rest, bytes(2 * rest))
