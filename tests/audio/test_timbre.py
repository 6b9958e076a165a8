import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.melody import follow
from app.audio.pcm import Samples
from app.audio.timbre import move_formants
from tests.audio.voice import RATE, fundamental, hiss, resonances, semitones, silence, vowel


def moved(sound: Samples, wanted: float, *, rate: int = RATE) -> Samples:
    return move_formants(sound, follow(sound, sample_rate=rate), sample_rate=rate, semitones=wanted)


def middle(sound: Samples) -> Samples:
    return sound[len(sound) // 4 : -len(sound) // 4]


def whisper(*, formant_hz: float, rate: int = RATE) -> Samples:
    """Noise with one resonance."""
    noise = np.random.default_rng(3).normal(0, 1, 2 * rate)
    hz = np.fft.rfftfreq(len(noise), 1 / rate)
    shape = 1 / np.sqrt(1 + ((hz - formant_hz) / 150) ** 2) + 0.01
    sound = np.fft.irfft(np.fft.rfft(noise) * shape, len(noise))
    return (0.1 * sound / np.std(sound)).astype(np.float32)


def loudest_hz(sound: Samples, *, rate: int = RATE) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    width = round(400 * len(sound) / rate)
    return float(np.convolve(power, np.hanning(width), "same").argmax() * rate / len(sound))


@pytest.mark.parametrize("wanted", [-6, -3, 3, 6])
@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_the_resonance_of_a_whisper_moves(wanted, rate):
    sound = moved(whisper(formant_hz=1500, rate=rate), wanted, rate=rate)
    assert semitones(loudest_hz(sound, rate=rate), 1500) == pytest.approx(wanted, abs=0.7)


@pytest.mark.parametrize("wanted", [-4, 4])
def test_the_formants_of_a_voice_move_and_the_melody_stays(wanted):
    voice = vowel(140)
    sound = moved(voice, wanted)
    assert len(sound) == len(voice)
    assert fundamental(middle(sound), lowest=80) == pytest.approx(140, rel=0.003)
    before, after = (resonances(middle(each)) for each in (voice, sound))
    assert semitones(after[1], before[1]) == pytest.approx(wanted, abs=0.8)


def test_time_stays_where_it_was():
    sound = np.concatenate([silence(0.3), hiss(0.2), silence(0.3)])
    after = moved(sound, 5)
    edge = round(0.02 * RATE)
    quiet = np.concatenate([after[: round(0.3 * RATE) - edge], after[round(0.5 * RATE) + edge :]])
    assert np.std(quiet) < 1e-3 * np.std(after)


def test_speech_stays_about_as_loud():
    sound = np.concatenate([vowel([120, 160]), hiss(0.3)])
    for wanted in (-6, 6):
        assert np.std(moved(sound, wanted)) == pytest.approx(np.std(sound), rel=0.3)


@pytest.mark.parametrize("sound", [silence(0.1), silence(0), vowel(150)[:7]])
def test_hardly_any_sound_is_no_reason_to_fail(sound):
    assert np.all(np.isfinite(moved(sound, 3))) and moved(sound, 3).shape == sound.shape


def test_nothing_asked_for_is_nothing_done():
    voice = vowel(150, seconds=0.2)
    assert np.array_equal(moved(voice, 0), voice)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20_000), st.integers(0, 5_000), st.floats(-6, 6))
def test_any_cut_comes_back_as_long_and_finite(start, count, wanted):
    cut = np.concatenate([vowel([100, 200]), hiss(0.2)])[start : start + count]
    sound = moved(cut, wanted)
    assert sound.shape == cut.shape and np.all(np.isfinite(sound))


def test_long_recordings_are_worked_on_in_pieces():
    voice = np.tile(np.concatenate([vowel([120, 160]), hiss(0.2)]), 7)
    whole, half = moved(voice, 3), moved(voice[: len(voice) // 2], 3)
    settled = len(half) - round(0.1 * RATE)
    assert np.allclose(whole[:settled], half[:settled], atol=0.02)
