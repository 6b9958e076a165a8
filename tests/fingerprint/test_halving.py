import numpy as np
import pytest

from app.audio.resample import ResampleQuality, resample
from app.fingerprint.halving import REACH, Halver
from app.fingerprint.spectrum import SAMPLE_RATE
from tests.fingerprint.music import cuts, noise, tone

RATE = 2 * SAMPLE_RATE


@pytest.mark.parametrize("seed", range(3))
def test_a_stream_is_the_same_however_it_is_cut(seed):
    sound, halver = noise(4), Halver()
    parts = [halver.push(sound[cut]) for cut in cuts(len(sound), seed=seed)]
    assert np.array_equal(np.concatenate(parts), Halver().push(sound))


def test_no_more_is_held_back_than_the_filter_needs():
    halver = Halver()
    assert len(halver.push(noise(1)[:1000])) == (1000 - REACH + 1) // 2
    assert len(halver.push(np.zeros(0, np.float32))) == 0


def test_it_is_what_a_long_filter_makes_of_it_as_far_as_tracks_have_peaks():
    sound = noise(8)
    halved = Halver().push(sound)
    exact = resample(sound, from_rate=2, to_rate=1, quality=ResampleQuality.VERY_HIGH)[: len(halved)]
    inside = slice(1000, len(halved) - 1000)
    off, all = (
        np.abs(np.fft.rfft(part[inside] * np.hanning(len(halved) - 2000))) ** 2 for part in (halved - exact, exact)
    )
    hertz = np.linspace(0, SAMPLE_RATE / 2, len(off))
    assert off[hertz < 4900].sum() < 1e-6 * all[hertz < 4900].sum()


@pytest.mark.parametrize("hz", [6100.0, 7000.0, 10_000.0])
def test_what_is_too_high_does_not_become_something_else(hz):
    high = tone(hz * SAMPLE_RATE / RATE, 4.0)  # of that height at twice the rate
    assert np.abs(Halver().push(high)[REACH:]).max() < 2e-3 * np.abs(high).max()
