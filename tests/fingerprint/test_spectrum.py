import numpy as np
import pytest

from app.fingerprint.spectrum import BINS, FIRST_BIN, FULL_SCALE, HOP, SAMPLE_RATE, WINDOW, Spectrum, spectrum
from tests.fingerprint.music import cuts, noise, tone, tune


@pytest.mark.parametrize("bin", [40, 200, 900])
def test_a_tone_is_in_its_bin(bin):
    levels = spectrum(tone(bin * SAMPLE_RATE / WINDOW, 1.0, level=1.0))
    assert np.all(levels.argmax(axis=1) == bin - FIRST_BIN)
    assert levels.max() == pytest.approx(FULL_SCALE, abs=0.1)


def test_levels_are_half_decibels():
    loud, quiet = (spectrum(tone(1000, 0.5, level=level)).max() for level in (0.5, 0.05))
    assert loud - quiet == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("samples", [0, 1, WINDOW - 1, WINDOW, WINDOW + HOP - 1, WINDOW + HOP, 10_000])
def test_there_are_as_many_frames_as_fit(samples):
    levels = spectrum(np.zeros(samples, np.float32))
    assert levels.shape == (max(0, (samples - WINDOW) // HOP + 1), BINS)
    assert np.all(np.isfinite(levels)) and np.all(levels < 36)


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_has_the_same_spectrum_however_it_is_cut(seed):
    sound = tune(seed, seconds=5) + noise(5)
    stream = Spectrum()
    parts = [stream.push(sound[cut]) for cut in cuts(len(sound), seed=seed)]
    assert np.array_equal(np.concatenate(parts), spectrum(sound))


@pytest.mark.parametrize("form", ["read-only", "every other", "float64"])
def test_samples_may_lie_in_memory_in_any_way(form):
    sound = noise(1)
    expected = spectrum(sound)
    other = {"read-only": sound.copy(), "every other": np.repeat(sound, 2)[::2], "float64": sound.astype(float)}[form]
    other.flags.writeable = form != "read-only"
    assert np.array_equal(spectrum(other), expected)
