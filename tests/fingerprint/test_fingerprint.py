import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidFingerprint
from app.fingerprint.fingerprint import VERSION, Fingerprint
from tests.fingerprint.constellations import constellation, constellations, same

EXAMPLE = constellation(np.random.default_rng(1), seconds=4)


def of(peaks, duration=2.5):
    return Fingerprint(VERSION, duration, peaks)


@given(constellations(), st.floats(0, 1e6))
def test_a_fingerprint_survives_being_packed(peaks, duration):
    unpacked = Fingerprint.from_bytes(of(peaks, duration).to_bytes())
    assert (unpacked.version, unpacked.duration) == (VERSION, duration)
    assert same(unpacked.peaks, peaks)


@given(constellations(), st.data())
def test_a_cut_or_longer_fingerprint_is_refused(peaks, data):
    packed = of(peaks).to_bytes()
    cut = data.draw(st.integers(0, len(packed) - 1))
    for wrong in (packed[:cut], packed + b"\0"):
        with pytest.raises(InvalidFingerprint):
            Fingerprint.from_bytes(wrong)


@pytest.mark.parametrize("data", [b"", b"RIFF" + bytes(60), b"CHFP"])
def test_something_else_is_refused(data):
    with pytest.raises(InvalidFingerprint):
        Fingerprint.from_bytes(data)


def test_counts_that_contradict_the_header_are_refused():
    packed = bytearray(of(EXAMPLE).to_bytes())
    packed[24] += 1
    with pytest.raises(InvalidFingerprint, match="contradicts"):
        Fingerprint.from_bytes(bytes(packed))


@pytest.mark.parametrize("duration", [-1.0, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(duration):
    with pytest.raises(InvalidFingerprint, match="contradicts"):
        Fingerprint.from_bytes(of(EXAMPLE, duration).to_bytes())


def test_it_takes_four_bytes_a_peak():
    peaks = EXAMPLE
    assert len(of(peaks).to_bytes()) == 24 + int(peaks.frames[-1]) + 1 + 3 * len(peaks)
