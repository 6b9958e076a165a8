import numpy as np
import pytest

from app.audio.melody import HIGHEST_HZ, LOWEST_HZ, STEP_SECONDS, follow
from tests.audio.voice import RATE, hiss, semitones, silence, vowel


def middles(count: int) -> np.ndarray:
    return np.arange(count) * STEP_SECONDS


@pytest.mark.parametrize("hz", [55, 110, 180, 260, 400, 600])
@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_a_steady_voice_is_found(hz, rate):
    found = follow(vowel(hz, seconds=0.5, rate=rate), sample_rate=rate).hz
    assert np.all(np.abs(semitones(found[5:-5], hz)) < 0.1)


def test_a_melody_is_followed():
    found = follow(vowel([120, 240, 100]), sample_rate=RATE).hz
    truth = np.interp(middles(len(found)), [0, 0.5, 1.0], [120, 240, 100])
    assert np.max(np.abs(semitones(found[5:-5], truth[5:-5]))) < 0.6


def test_hiss_and_silence_have_no_voice():
    melody = follow(np.concatenate([hiss(0.3), silence(0.3), vowel(150, seconds=0.3)]), sample_rate=RATE)
    [(first, behind)] = melody.stretches()
    assert abs(first * STEP_SECONDS - 0.6) < 0.03 and behind == len(melody.hz)
    assert melody.median_hz == pytest.approx(150, rel=0.01)


def test_a_voice_in_noise_is_found():
    voice = vowel([150, 200])
    noise = np.random.default_rng(1).normal(0, 0.02, len(voice)).astype(np.float32)
    found = follow(voice + noise, sample_rate=RATE).hz
    assert np.mean(found > 0) > 0.95
    assert np.median(found) == pytest.approx(175, rel=0.03)


@pytest.mark.parametrize("count", [0, 1, 100, 5000])
def test_where_nothing_sounds_there_is_no_melody(count):
    melody = follow(np.zeros(count, np.float32), sample_rate=RATE)
    assert melody.median_hz is None and melody.stretches() == []
    assert len(melody.hz) == int(count / RATE / STEP_SECONDS) + 1


@pytest.mark.parametrize("count", [1, 50, 400])
def test_a_moment_of_sound_is_no_reason_to_fail(count):
    found = follow(vowel(150)[2000 : 2000 + count], sample_rate=RATE).hz
    assert np.all((found == 0) | ((found > 0.9 * LOWEST_HZ) & (found < 1.1 * HIGHEST_HZ)))


def test_how_loud_it_is_does_not_matter():
    voice = np.concatenate([vowel([140, 180]), hiss(0.2)])
    assert np.allclose(follow(voice, sample_rate=RATE).hz, follow(voice / 64, sample_rate=RATE).hz, rtol=1e-3)
