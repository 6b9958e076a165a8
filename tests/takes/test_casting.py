from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.errors import BackendUnavailable, VoiceNotFound
from app.runtime.workers import Workers
from app.takes.casting import KEPT_SECONDS, Casting
from app.takes.voice import Design, VoiceGender
from app.tts.backend import Health
from app.tts.cache import SpeechCache
from app.tts.speech import Gender, Voice
from app.tts.synthesizer import Synthesizer
from tests.tts.fake_backend import FakeBackend

FEMALE, MALE, NONBINARY = VoiceGender


def backend_of(*voices):
    backend = FakeBackend()
    backend._voices = [Voice(id, id, tag, gender, "fake") for id, tag, gender in voices]
    return backend


def variants(tag, *numbers):
    return [(f"{tag}+f{number}", tag, Gender.FEMALE) for number in numbers]


@asynccontextmanager
async def casting_of(backend, clock=lambda: 0.0):
    workers = Workers({"codec": 1})
    async with Synthesizer([backend], workers=workers, cache=SpeechCache(max_bytes=0), queue_depth=0) as synthesizer:
        yield Casting(synthesizer, clock=clock)


@pytest.mark.anyio
async def test_the_gender_and_the_language_are_kept():
    backend = backend_of(*variants("en-US", 1), ("man", "en-US", Gender.MALE), *variants("zh-CN", 1))
    async with casting_of(backend) as casting:
        assert casting.cast(Design(1, MALE), model="fake", language="en").id == "man"
        assert casting.cast(Design(1, FEMALE), model="fake", language="zh").id == "zh-CN+f1"


@pytest.mark.anyio
async def test_a_character_is_kept_in_another_language():
    backend = backend_of(*variants("en-US", *range(9)), *variants("zh-CN", *range(9)))
    async with casting_of(backend) as casting:
        for seed in range(50):
            ids = [casting.cast(Design(seed, FEMALE), model="fake", language=tag).id for tag in ("en", "zh")]
            assert ids[0].partition("+")[2] == ids[1].partition("+")[2]


@pytest.mark.anyio
async def test_all_candidates_get_work():
    async with casting_of(backend_of(*variants("en-US", *range(9)))) as casting:
        cast = {casting.cast(Design(seed, FEMALE), model="fake", language="en").id for seed in range(200)}
    assert len(cast) == 9


@pytest.mark.anyio
async def test_a_voice_that_goes_changes_only_those_it_spoke_for():
    designs = [Design(seed, FEMALE) for seed in range(100)]
    async with casting_of(backend_of(*variants("en-US", *range(9)))) as casting:
        before = [casting.cast(design, model="fake", language="en").id for design in designs]
    async with casting_of(backend_of(*variants("en-US", *range(8)))) as casting:
        after = [casting.cast(design, model="fake", language="en").id for design in designs]
    assert [id for id in before if id != "en-US+f8"] == [
        new for old, new in zip(before, after, strict=True) if old != "en-US+f8"
    ]


@pytest.mark.anyio
async def test_where_nobody_has_the_gender_somebody_speaks():
    async with casting_of(backend_of(("it", "en-US", Gender.NEUTRAL))) as casting:
        assert casting.cast(Design(1, NONBINARY), model="fake", language="en").id == "it"
        assert casting.cast(Design(1, MALE), model="fake", language="en").id == "it"


@pytest.mark.anyio
async def test_new_voices_are_seen_after_a_while():
    now = [0.0]
    backend = backend_of(("it", "en-US", Gender.NEUTRAL))
    async with casting_of(backend, clock=lambda: now[0]) as casting:
        casting.cast(Design(1, MALE), model="fake", language="en")
        backend._voices.append(replace(backend._voices[0], id="man", gender=Gender.MALE))
        now[0] = KEPT_SECONDS + 1
        assert casting.cast(Design(1, MALE), model="fake", language="en").id == "man"


@pytest.mark.anyio
async def test_what_cannot_speak_is_not_cast():
    backend = FakeBackend()
    async with casting_of(backend) as casting:
        with pytest.raises(VoiceNotFound):
            casting.cast(Design(1, MALE), model="fake", language="xx")
        backend.state = Health(False, "gone")
        with pytest.raises(BackendUnavailable):
            casting.cast(Design(1, MALE), model="fake", language="en")
