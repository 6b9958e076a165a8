import numpy as np
import pytest

from app.fingerprint.landmarks import MOST_GAP, probes
from app.fingerprint.listener import Listener, listen
from app.fingerprint.peaks import QUERY_REACH
from app.fingerprint.spectrum import BINS, SAMPLE_RATE
from tests.fingerprint.constellations import same, taken
from tests.fingerprint.music import cuts, noise, tune

KEEP = 43
SOUND = tune(1, seconds=8) + noise(8, level=0.001)


@pytest.mark.parametrize("seed", range(4))
def test_what_it_knows_does_not_depend_on_how_the_sound_is_cut(seed):
    whole, listener = listen(SOUND), Listener(keep=KEEP)
    for cut in cuts(len(SOUND), seed=seed):
        listener.push(SOUND[cut])
        assert listener.heard.end == listener.frames
        assert listener.heard.first == max(0, listener.frames - KEEP)
    listener.finish()
    heard = listener.heard
    assert listener.frames == whole.frames
    assert np.array_equal(heard.levels, whole.heard.levels[heard.first :])
    assert np.array_equal(heard.below, whole.heard.below[heard.first :])
    assert same(listener.peaks, taken(whole.peaks, whole.peaks.frames >= whole.frames - KEEP - MOST_GAP))


def test_the_landmarks_of_its_pushes_are_those_of_the_whole():
    whole, listener = listen(SOUND), Listener(keep=KEEP)
    keys = []
    for start in range(0, len(SOUND), 5512):
        listener.push(SOUND[start : start + 5512])
        keys.append(probes(listener.peaks, since=listener.since).keys)
    listener.finish()
    keys.append(probes(listener.peaks, since=listener.since).keys)
    assert np.array_equal(np.concatenate(keys), probes(whole.peaks).keys)


def test_peaks_are_nothing_below_their_surroundings():
    listener = listen(SOUND)
    bins = np.rint(listener.peaks.frequencies / 64).astype(int) - 37
    assert np.all(listener.heard.below[listener.peaks.frames, bins] <= 4)
    assert listener.heard.below.max() > 100


@pytest.mark.parametrize("samples", [0, 1, 2047, 2048])
def test_hardly_any_sound_is_no_reason_to_fail(samples):
    listener = listen(SOUND[:samples])
    assert listener.frames == (samples == 2048)
    assert listener.heard.levels.shape == (listener.frames, BINS)


def test_it_keeps_no_more_than_it_is_told(seconds=60):
    listener = Listener(keep=KEEP)
    for _ in range(seconds):
        listener.push(noise(1, seed=7))
    assert len(listener.heard.levels) == KEEP and len(listener.heard.levels.base) < 2 * KEEP
    assert listener.frames == (seconds * SAMPLE_RATE - 2048) // 256 + 1 - QUERY_REACH.frames
