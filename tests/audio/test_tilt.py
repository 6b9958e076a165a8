import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.tilt import BLOCK, Tilt
from tests.audio.signals import chirp
from tests.audio.voice import hiss, vowel

RATES = (8_000, 16_000, 22_050, 24_000, 48_000)


def decibels(slope: float, rate: int) -> np.ndarray:
    """The response at 0, 1, 2… Hz in dB."""
    impulse = np.zeros(rate, np.float32)
    impulse[0] = 0.01
    return 20 * np.log10(np.abs(np.fft.rfft(Tilt(slope, sample_rate=rate).push(impulse))) / 0.01)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("slope", [-6, -2.5, 1, 6])
def test_every_octave_of_speech_rises_by_the_slope(rate, slope):
    response = decibels(slope, rate)
    octaves = [hz for hz in (125, 250, 500, 1000, 2000, 4000) if 2 * hz < 0.45 * rate]
    assert [response[2 * hz] - response[hz] for hz in octaves] == pytest.approx([slope] * len(octaves), abs=0.1)


def test_beyond_the_corners_it_is_level():
    response = decibels(6, 48_000)
    assert response[20] == pytest.approx(response[60], abs=1.0)
    assert response[12_000] == pytest.approx(response[20_000], abs=0.2)


@pytest.mark.parametrize("slope", [-6, -3, 3, 6])
def test_speech_becomes_little_softer_and_its_peaks_no_higher(slope):
    voice = vowel([120, 180])
    tilted = Tilt(slope, sample_rate=22_050).push(voice)
    assert -8 < 20 * np.log10(np.std(tilted) / np.std(voice)) < 0
    assert np.max(np.abs(tilted)) < np.max(np.abs(voice))


def test_nothing_is_heard_before_it_should_be():
    sound = np.concatenate([np.zeros(5_000, np.float32), hiss(0.5)])
    tilted = Tilt(4, sample_rate=22_050).push(sound)
    assert np.max(np.abs(tilted[:5_000])) < 1e-6 and len(tilted) == len(sound)
    # of minimum phase: most of what a moment of sound makes of itself is there at once
    impulse = np.zeros(2_000, np.float32)
    impulse[0] = 1.0
    energy = np.cumsum(np.square(Tilt(-4, sample_rate=22_050).push(impulse)))
    assert energy[60] > 0.9 * energy[-1]


@given(st.lists(st.integers(0, 2 * BLOCK), min_size=1, max_size=6))
def test_how_the_stream_is_cut_does_not_matter(cuts):
    sound, tilt = chirp(1.0, 24_000), Tilt(-5, sample_rate=24_000)
    edges = [0, *sorted(cuts), len(sound)]
    pieces = [tilt.push(sound[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    assert np.allclose(np.concatenate(pieces), Tilt(-5, sample_rate=24_000).push(sound), atol=1e-6)


def test_no_slope_changes_nothing():
    sound = chirp(0.3)
    assert np.allclose(Tilt(0, sample_rate=24_000).push(sound), sound, atol=1e-6)
