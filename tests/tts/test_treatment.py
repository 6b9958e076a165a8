import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import pytest

from app.audio.melody import follow
from app.audio.pcm import from_bytes, to_bytes, to_float32, to_int16
from app.runtime.workers import CODEC_POOL, Workers
from app.tts.speech import Mark, MarkKind, Sound
from app.tts.treatment import PIECE_SECONDS, Treatment, treat
from tests.audio.voice import RATE, fundamental, hiss, semitones, silence, vowel

pytestmark = pytest.mark.anyio

MARK = Mark(MarkKind.WORD, "a", 0.1, 0.4)
PHRASE = np.concatenate([hiss(0.2), vowel([140, 180, 130], seconds=0.8), hiss(0.2)])


async def sounds(samples: np.ndarray, *, chunk: int = 4096) -> AsyncGenerator[Sound, None]:
    pcm = to_bytes(to_int16(samples))
    for start in range(0, len(pcm), chunk):
        yield Sound(pcm[start : start + chunk], () if start else (MARK,))


async def treated(samples: np.ndarray, treatment: Treatment, *, workers: Workers | None = None) -> list[Sound]:
    treating = treat(sounds(samples), treatment, sample_rate=RATE, workers=workers)
    return [sound async for sound in treating]


def heard(treated_sounds: list[Sound]) -> np.ndarray:
    return to_float32(from_bytes(b"".join(sound.pcm for sound in treated_sounds)))


@pytest.mark.parametrize(
    "treatment",
    [Treatment(pitch=5), Treatment(pitch_range=0.4), Treatment(timbre=-3), Treatment(pitch=-2, timbre=2, tilt=3)],
)
async def test_melody_and_formants_come_when_all_is_there_and_marks_stay(treatment):
    [sound] = await treated(PHRASE, treatment)
    assert len(sound.pcm) == 2 * len(PHRASE) and sound.marks == (MARK,)


async def test_a_tilt_comes_as_the_sound_does():
    parts = await treated(PHRASE, Treatment(tilt=-4))
    assert len(parts) == len([sound async for sound in sounds(PHRASE)])
    assert heard(parts).shape == PHRASE.shape and parts[0].marks == (MARK,)
    power = [np.abs(np.fft.rfft(each)) ** 2 for each in (PHRASE, heard(parts))]
    octave = [slice(round(hz * 1.2), round(2 * hz * 1.2)) for hz in (1000, 4000)]  # 1.2 s: bins of 1 / 1.2 Hz
    change = [10 * np.log10(power[1][band].sum() / power[0][band].sum()) for band in octave]
    assert change[1] - change[0] == pytest.approx(-8, abs=1)


async def test_each_does_what_it_says():
    voice = vowel(150)
    high = heard(await treated(voice, Treatment(pitch=7)))
    assert semitones(fundamental(high[5000:-5000]), 150) == pytest.approx(7, abs=0.2)
    flat = follow(heard(await treated(PHRASE, Treatment(pitch_range=0))), sample_rate=RATE).hz
    assert np.std(semitones(flat[flat > 0])) < 0.3


async def test_no_peak_is_cut_off():
    loud = vowel(150) * 5
    loud /= np.max(np.abs(loud))
    high = heard(await treated(loud, Treatment(pitch=-9, timbre=4)))
    assert np.sum(np.abs(high) > 0.9999) < 5


@pytest.mark.parametrize("samples", [silence(0), silence(0.5), hiss(0.3)])
async def test_what_has_no_voice_is_no_reason_to_fail(samples):
    assert heard(await treated(samples, Treatment(pitch=3, pitch_range=0.5))).shape == samples.shape


async def test_long_speech_has_one_middle():
    low, high = np.tile(np.append(vowel(100), silence(0.2)), 8), np.tile(np.append(vowel(200), silence(0.2)), 8)
    long = np.concatenate([low, high])
    assert len(long) / RATE > 1.5 * PIECE_SECONDS
    flat = heard(await treated(long, Treatment(pitch_range=0)))
    hz = follow(flat, sample_rate=RATE).hz
    low_hz, high_hz = np.percentile(hz[hz > 0], [10, 90])
    assert semitones(high_hz, low_hz) < 0.5


async def test_the_work_is_done_in_threads():
    names: set[str] = set()

    class Watched(Workers):
        async def run(self, pool, function):
            def note():
                names.add(threading.current_thread().name)
                return function()

            return await super().run(pool, note)

    with_threads = await treated(PHRASE, Treatment(pitch=3), workers=Watched({CODEC_POOL: 1}))
    assert names and threading.current_thread().name not in names
    assert with_threads == await treated(PHRASE, Treatment(pitch=3))


@pytest.mark.parametrize("treatment", [Treatment(pitch=3), Treatment(tilt=3)])
async def test_closing_closes_the_source(treatment):
    closed = []

    async def endless() -> AsyncGenerator[Sound, None]:
        try:
            async for sound in sounds(PHRASE):
                yield sound
        finally:
            closed.append(True)

    async with aclosing(treat(endless(), treatment, sample_rate=RATE)) as treating:
        await anext(treating)
    assert closed == [True]
