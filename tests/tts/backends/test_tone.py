import hashlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BackendUnavailable, VoiceNotFound, WorkerLost
from app.tts.backend import Backend
from app.tts.backends.tone import Tone
from app.tts.speech import Gender, MarkKind, Utterance, Voice

pytestmark = pytest.mark.anyio

SHA256 = "d24e413ba6c10d99adaa4a5a3ad8279e816204d81754b46886a0484cd5675396"


def utterance(text: str, voice: str = "zh", *, speed: float = 1.0, pitch: float = 0.0) -> Utterance:
    return Utterance(text, Tone().find_voice(voice), speed, pitch)


async def sing(tone: Tone, spoken: Utterance, *, whole: bool = True) -> bytes:
    return b"".join([sound.pcm async for sound in tone.synthesize(spoken, whole=whole)])


def loudest_hz(pcm: bytes, sample_rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2"), 1 << 16))
    return float(np.argmax(spectrum)) * sample_rate / (1 << 16)


async def test_tone_is_a_backend_that_is_there() -> None:
    backend: Backend = Tone()
    async with backend.running():
        assert backend.health().available
        assert (backend.name, backend.sample_rate, backend.concurrency) == ("tone", 22050, 2)


async def test_bytes_never_change() -> None:
    pcm = await sing(Tone(), utterance("你好 world"))
    assert hashlib.sha256(pcm).hexdigest() == SHA256


@given(text=st.text(min_size=1, max_size=20), speed=st.floats(0.5, 3.0))
async def test_duration_is_characters_times_a_constant(text: str, speed: float) -> None:
    tone, spoken = Tone(sample_rate=16000), utterance(text, speed=speed)
    pcm = await sing(tone, spoken)
    assert len(pcm) / 2 / 16000 == tone.duration(spoken)
    assert tone.duration(spoken) == pytest.approx(len(text) * 0.05 / speed, rel=0.01)


async def test_pitch_depends_on_the_character_alone() -> None:
    tone = Tone()
    first, second, again = [sound.pcm async for sound in tone.synthesize(utterance("aba"), whole=False)]
    assert first == again
    assert first != second


@pytest.mark.parametrize(("voice", "pitch", "expected_hz"), [("zh", 0, 220), ("zh-low", 0, 110), ("zh", 12, 440)])
async def test_voice_and_pitch_move_the_tone(voice: str, pitch: int, expected_hz: float) -> None:
    tone = Tone(character_ms=500)
    pcm = await sing(tone, utterance("x", voice, pitch=pitch))  # 'x' is 120, a multiple of 24: the lowest tone
    assert loudest_hz(pcm, tone.sample_rate) == pytest.approx(expected_hz, rel=0.01)


async def test_tones_join_without_a_click() -> None:
    pcm = np.frombuffer(await sing(Tone(), utterance("abc")), "<i2").astype(int)
    assert max(abs(left - right) for left, right in pairwise(pcm)) < 3000
    assert np.sqrt(np.mean(pcm**2)) > 2000


async def test_whole_is_one_chunk_of_the_same_sound() -> None:
    tone = Tone()
    chunks = [sound.pcm async for sound in tone.synthesize(utterance("abc"), whole=True)]
    assert chunks == [await sing(tone, utterance("abc"), whole=False)]


async def test_two_languages_have_two_voices_each() -> None:
    voices = [(voice.language, voice.gender) for voice in Tone().voices()]
    both = [Gender.FEMALE, Gender.MALE]
    assert voices == [(language, gender) for language in ("zh-CN", "en-US") for gender in both]


@pytest.mark.parametrize(
    ("language", "like", "expected"),
    [("zh", None, "zh"), ("zh-TW", None, "zh"), ("en_GB", None, "en"), ("EN", "zh-low", "en-low"), ("zh", "en", "zh")],
)
async def test_language_finds_its_voice(language: str, like: str | None, expected: str) -> None:
    assert Tone().choose_voice(language, like=like).id == expected


@pytest.mark.parametrize("language", ["ja", "", "z", "zha"])
async def test_other_languages_are_not_found(language: str) -> None:
    with pytest.raises(VoiceNotFound):
        Tone().choose_voice(language)


async def test_voice_of_another_backend_is_not_found() -> None:
    stranger = Voice("cmn", "Chinese", "zh-CN", Gender.MALE, "espeak")
    with pytest.raises(VoiceNotFound, match="'cmn' is not available in backend 'tone'"):
        await sing(Tone(), Utterance("a", stranger, 175))


async def test_failure_can_be_staged() -> None:
    async def fail(utterance: Utterance) -> None:
        raise WorkerLost(utterance.text)

    with pytest.raises(WorkerLost, match="abc"):
        await sing(Tone(before=fail), utterance("abc"))


async def test_absence_can_be_staged() -> None:
    tone = Tone(reason="out of tune")
    assert (tone.health().available, tone.health().reason, tone.voices()) == (False, "out of tune", ())
    with pytest.raises(BackendUnavailable, match="out of tune"):
        await sing(tone, utterance("abc"))


@pytest.mark.parametrize("whole", [True, False])
async def test_each_character_is_a_word_where_marks_are_wanted(whole: bool) -> None:
    spoken = replace(utterance("你好"), marks=True)
    marks = [mark for sound in [each async for each in Tone().synthesize(spoken, whole=whole)] for mark in sound.marks]
    assert [(mark.kind, mark.text) for mark in marks] == [(MarkKind.WORD, "你"), (MarkKind.WORD, "好")]
    assert [time for mark in marks for time in (mark.start, mark.end)] == pytest.approx([0, 0.05, 0.05, 0.1], abs=1e-3)
