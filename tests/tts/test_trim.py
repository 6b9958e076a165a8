from collections.abc import AsyncGenerator

import numpy as np
import pytest

from app.audio.trim import LEAD_SECONDS, TAIL_SECONDS
from app.tts.speech import Mark, MarkKind, Sound
from app.tts.trim import trim

pytestmark = pytest.mark.anyio

RATE = 8000
LEAD, SPEECH, TAIL = 0.2, 1.0, 0.8
WORDS = (("one", 0.2, 0.6), ("two", 0.7, 1.2))


async def spoken(chunk_seconds: float = 0.1, *, speech: float = SPEECH) -> AsyncGenerator[Sound, None]:
    silences = [np.zeros(round(RATE * seconds)) for seconds in (LEAD, TAIL)]
    pcm = np.concatenate([silences[0], 9000 * np.ones(round(RATE * speech)), silences[1]]).astype("<i2")
    step = round(RATE * chunk_seconds)
    for at in range(0, len(pcm), step):
        marks = [Mark(MarkKind.WORD, *word) for word in WORDS if at <= word[1] * RATE < at + step]
        yield Sound(pcm[at : at + step].tobytes(), tuple(marks))


async def listen(*, whole: bool, delay: float = 0.0, **options: float) -> list[Sound]:
    return [sound async for sound in trim(spoken(**options), sample_rate=RATE, whole=whole, delay=delay)]


def seconds(sounds: list[Sound]) -> float:
    return sum(len(sound.pcm) for sound in sounds) / 2 / RATE


async def test_silence_goes_and_marks_move_with_the_sound():
    (sound,) = await listen(whole=True)
    assert seconds([sound]) == pytest.approx(LEAD_SECONDS + SPEECH + TAIL_SECONDS)
    assert [(mark.text, mark.start, mark.end) for mark in sound.marks] == [
        ("one", pytest.approx(0.05), pytest.approx(0.45)),
        ("two", pytest.approx(0.55), pytest.approx(1.05)),
    ]


async def test_a_stream_is_the_same_and_no_word_comes_before_its_sound():
    (whole,) = await listen(whole=True, delay=0.04)
    sounds = await listen(whole=False, delay=0.04)
    assert len(sounds) > 5
    assert b"".join(sound.pcm for sound in sounds) == whole.pcm
    assert [mark for sound in sounds for mark in sound.marks] == list(whole.marks)
    for count in range(1, len(sounds) + 1):
        assert all(mark.start < seconds(sounds[:count]) for mark in sounds[count - 1].marks)


async def test_no_word_ends_behind_the_sound():
    (sound,) = await listen(whole=True, delay=0.5)
    assert sound.marks[-1].end == pytest.approx(seconds([sound]))


@pytest.mark.parametrize("whole", [True, False])
async def test_silence_alone_stays(whole):
    assert seconds(await listen(whole=whole, speech=0.0)) == pytest.approx(LEAD + TAIL)


async def test_closing_it_closes_what_it_listens_to():
    sounds = spoken()
    trimmed = trim(sounds, sample_rate=RATE, whole=False)
    await anext(trimmed)
    await trimmed.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(sounds)
