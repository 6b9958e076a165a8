import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.landmarks import (
    FREQUENCY_BITS,
    GAP_BITS,
    KEY_BITS,
    MOST_GAP,
    STEP_ORIGIN,
    landmarks,
    pack,
    probes,
    unpack,
)
from app.fingerprint.peaks import Peaks
from tests.fingerprint.constellations import constellation, constellations, ordered, taken


@given(
    st.integers(0, (1 << FREQUENCY_BITS) - 1),
    st.integers(-STEP_ORIGIN, STEP_ORIGIN - 1),
    st.integers(0, (1 << GAP_BITS) - 1),
)
def test_what_is_packed_is_unpacked(frequency, step, gap):
    key = pack(frequency, step, gap)
    assert 0 <= key < 1 << KEY_BITS
    assert unpack(key) == (frequency, step, gap)


def test_two_peaks_make_a_landmark():
    found = landmarks(two(gap=7, low=100.0, high=120.0))
    assert [unpack(int(key)) for key in found.keys] == [(100, 40, 7)]
    assert found.frames.tolist() == [17]


@pytest.mark.parametrize(("gap", "high"), [(1, 120.0), (MOST_GAP + 1, 120.0), (7, 180.0), (7, 56.0)])
def test_peaks_out_of_reach_make_none(gap, high):
    assert len(landmarks(two(gap=gap, low=100.0, high=high)).keys) == 0


@given(constellations())
def test_a_query_tries_every_landmark_of_the_same_sound(peaks):
    assert pairs(landmarks(peaks)) <= pairs(probes(peaks))


@given(constellations(), st.integers(0, 200))
def test_a_stream_gives_the_same_landmarks_whenever_it_is_looked_at(peaks, cut):
    cut = min(cut, len(peaks))
    while 0 < cut < len(peaks) and peaks.frames[cut] == peaks.frames[cut - 1]:
        cut += 1
    before, behind = probes(taken(peaks, slice(cut))), probes(peaks, since=cut)
    assert np.array_equal(np.concatenate((before.keys, behind.keys)), probes(peaks).keys)


@given(constellations(), st.integers(0, 10_000))
def test_landmarks_move_with_the_sound(peaks, frames):
    later = Peaks(peaks.frames + np.uint32(frames), peaks.frequencies, peaks.strengths)
    assert np.array_equal(landmarks(later).keys, landmarks(peaks).keys)
    assert np.array_equal(landmarks(later).frames, landmarks(peaks).frames + np.uint32(frames))


def test_peaks_moved_a_little_are_still_found():
    peaks = constellation(np.random.default_rng(2), seconds=20)
    moved = Peaks(peaks.frames, peaks.frequencies + np.uint16(6), peaks.strengths)
    assert pairs(landmarks(peaks)) <= pairs(probes(moved))


@pytest.mark.parametrize("speed", [0.96, 1.03])
def test_a_track_played_faster_is_found_at_its_speed(speed):
    peaks = constellation(np.random.default_rng(3), seconds=20)
    played = ordered(np.rint(peaks.frames / speed), np.rint(peaks.frequencies * speed), peaks.strengths)
    keys = set(landmarks(peaks).keys.tolist())
    assert len(keys & set(probes(played, speed=speed).keys.tolist())) > 0.6 * len(keys)
    assert len(keys & set(probes(played).keys.tolist())) < 0.05 * len(keys)


def test_silence_has_no_landmarks():
    nothing = constellation(np.random.default_rng(4), seconds=0)
    assert len(landmarks(nothing).keys) == len(probes(nothing).keys) == 0


def two(*, gap: int, low: float, high: float) -> Peaks:
    return ordered(np.array([10, 10 + gap]), np.array([low, high]) * 64, np.array([100, 100]))


def pairs(found) -> set[tuple[int, int]]:
    return set(zip(found.keys.tolist(), found.frames.tolist(), strict=True))
