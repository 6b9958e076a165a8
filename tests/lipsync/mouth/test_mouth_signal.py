import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lipsync.mel import SAMPLE_RATE, SILENCE, band_hz, mel_spectrum
from app.lipsync.mouth.mouth import OPEN, WIDE
from app.lipsync.mouth.mouth_signal import MouthSignal

RNG = np.random.default_rng(0)


def vowel(first_hz: float, second_hz: float, seconds: float = 0.5, level: float = 0.1) -> np.ndarray:
    """A voice of 120 Hz with two formants."""
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(times))
    for harmonic in np.arange(120, 5000, 120):
        gain = sum(1 / (1 + ((harmonic - formant) / 80) ** 2) for formant in (first_hz, second_hz))
        sound += gain * np.sin(2 * np.pi * harmonic * times)
    return (level * sound / np.abs(sound).max()).astype(np.float32)


def told(sound: np.ndarray) -> np.ndarray:
    return MouthSignal().push(mel_spectrum(sound)).rows[10:-10]


def test_an_open_vowel_opens_more_than_a_closed_one():
    assert told(vowel(750, 1200))[:, OPEN].mean() > 1.3 * told(vowel(280, 2300))[:, OPEN].mean()


def test_lips_are_spread_for_i_and_round_for_u():
    assert told(vowel(280, 2300))[:, WIDE].mean() > 0.2 > -0.2 > told(vowel(280, 750))[:, WIDE].mean()


def test_a_hiss_hardly_opens():
    hiss = np.diff(RNG.normal(0, 0.02, SAMPLE_RATE // 2), n=2).astype(np.float32)
    assert told(hiss)[:, OPEN].mean() < 0.5 * told(vowel(750, 1200))[:, OPEN].mean()


def test_silence_is_no_voice():
    signal = MouthSignal().push(np.full((50, 80), SILENCE, np.float32))
    assert not signal.voice.any() and not signal.rows.any()


def test_quiet_noise_is_no_voice():
    noise = RNG.normal(0, 10 ** (-75 / 20), SAMPLE_RATE).astype(np.float32)
    assert not MouthSignal().push(mel_spectrum(noise)).voice.any()


def test_a_pause_with_noise_between_words_is_no_voice():
    noise = RNG.normal(0, 10 ** (-68 / 20), SAMPLE_RATE).astype(np.float32)
    signal = MouthSignal().push(mel_spectrum(np.concatenate((vowel(750, 1200), noise))))
    assert signal.voice[5:35].all() and signal.voice[60:].max() < 0.2


@pytest.mark.parametrize("decibels", [-15, -5, 5])
def test_a_voice_of_any_level_is_followed_within_seconds(decibels):
    sound = vowel(750, 1200, 6.0, level=0.3)
    other = told(sound * np.float32(10 ** (decibels / 20)))
    assert abs(other[-40:, OPEN].mean() - told(sound)[-40:, OPEN].mean()) < 0.05


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 81), max_size=5))
def test_it_is_the_same_however_the_sound_is_cut(cuts):
    mel, signal, edges = mel_spectrum(vowel(750, 1200, 1.0)), MouthSignal(), [0, *sorted(cuts), 81]
    parts = [signal.push(mel[start:end]).rows for start, end in zip(edges, edges[1:], strict=False)]
    np.testing.assert_allclose(np.concatenate(parts), MouthSignal().push(mel).rows, atol=1e-6)


def test_bands_are_where_tones_are_loudest():
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for band in (10, 30, 50, 70):
        tone = np.sin(2 * np.pi * band_hz()[band] * times).astype(np.float32)
        assert mel_spectrum(tone)[40].argmax() == band
