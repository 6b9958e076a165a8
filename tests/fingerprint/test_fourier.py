import numpy as np
import pytest

from app.fingerprint.fourier import powers, tables


def found(samples, *, window, hop, count, lanes, first_bin=1):
    out = np.empty((len(window) // 2 - 2 * first_bin, lanes), np.float32)
    powers(samples, hop, count, tables(window), first_bin, 0.0, out)
    return out[:, :count].T


@pytest.mark.parametrize("length", [32, 128, 2048])
def test_powers_are_those_of_a_plain_transform(length):
    window, count = np.hanning(length).astype(np.float32), 5
    samples = np.random.default_rng(length).normal(size=100 * count + length).astype(np.float32)
    frames = np.stack([samples[first * 100 :][:length] for first in range(count)]).astype(np.float64)
    expected = np.abs(np.fft.rfft(frames * window, axis=1))[:, 1 : length // 2 - 1] ** 2
    powers_found = found(samples, window=window, hop=100, count=count, lanes=8)
    assert np.abs(powers_found - expected).max() < 1e-5 * expected.max()


def test_frames_are_the_same_whatever_is_beside_them():
    window = np.ones(128, np.float32)
    samples = np.random.default_rng(1).normal(size=2000).astype(np.float32)
    many = found(samples, window=window, hop=64, count=24, lanes=24)
    for number in range(24):
        alone = found(samples[number * 64 :], window=window, hop=64, count=1, lanes=8)
        assert np.array_equal(alone[0], many[number])
