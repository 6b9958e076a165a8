import numpy as np
import pytest

from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.fingerprinter import Fingerprinter, fingerprint
from app.fingerprint.landmarks import landmarks
from app.fingerprint.spectrum import SAMPLE_RATE
from tests.fingerprint.constellations import same
from tests.fingerprint.music import cuts, noise, tune


@pytest.mark.parametrize("seed", range(3))
def test_a_fingerprint_does_not_depend_on_how_the_track_is_cut(seed):
    sound = tune(seed, seconds=8) + noise(8, level=0.001)
    listening = Fingerprinter()
    for cut in cuts(len(sound), seed=seed):
        listening.push(sound[cut])
    made = listening.finish()
    whole = fingerprint(sound, sample_rate=SAMPLE_RATE)
    assert (made.version, made.duration) == (whole.version, whole.duration) == (VERSION, 8.0)
    assert same(made.peaks, whole.peaks)


def test_a_fingerprint_hardly_depends_on_the_sample_rate():
    one, other = (fingerprint(tune(4, sample_rate=rate), sample_rate=rate) for rate in (22_050, 48_000))
    keys, others = (set(zip(*pairs, strict=True)) for pairs in map(heard, (one, other)))
    assert len(keys & others) > 0.8 * len(keys)


def heard(made: Fingerprint):
    found = landmarks(made.peaks)
    return found.keys.tolist(), found.frames.tolist()


def test_minutes_at_once_are_the_same_as_seconds():
    sound, listening = np.tile(tune(5), 7), Fingerprinter()
    for second in sound.reshape(140, SAMPLE_RATE):
        listening.push(second)
    assert same(listening.finish().peaks, fingerprint(sound, sample_rate=SAMPLE_RATE).peaks)


@pytest.mark.parametrize("samples", [0, 100, 3000])
def test_silence_has_an_empty_fingerprint(samples):
    made = fingerprint(np.zeros(samples, np.float32), sample_rate=SAMPLE_RATE)
    assert len(made.peaks) == 0 and made.duration == samples / SAMPLE_RATE
    assert Fingerprint.from_bytes(made.to_bytes()).duration == made.duration
