from dataclasses import replace

import numpy as np
import pytest

from app.fingerprint.duplicates import likenesses
from app.fingerprint.index import Index
from app.fingerprint.peaks import Peaks
from app.fingerprint.reel import FRAMES_PER_SECOND
from tests.fingerprint.constellations import ordered, taken
from tests.fingerprint.indexes import compile_kernels, track

LONG = 60.0


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path)
    index.add_all((number, track(number, seconds=LONG)) for number in range(1, 9))
    return index


def encoded_again(sound, *, keep=0.8, seed=1):
    """Lose some peaks, move the others a little, and find some that were not there."""
    rng, peaks = np.random.default_rng(seed), sound.peaks
    kept = taken(peaks, rng.random(len(peaks)) < keep)
    moved = kept.frequencies.astype(np.int64) + rng.integers(-12, 13, len(kept))
    others = track(900 + seed, seconds=sound.duration).peaks
    new = taken(others, rng.random(len(others)) >= keep)
    return replace(
        sound,
        peaks=ordered(
            *(
                np.concatenate(both)
                for both in ((kept.frames, new.frames), (moved, new.frequencies), (kept.strengths, new.strengths))
            )
        ),
    )


def later(sound, seconds):
    frames = round(seconds * FRAMES_PER_SECOND)
    peaks = Peaks(sound.peaks.frames + np.uint32(frames), sound.peaks.frequencies, sound.peaks.strengths)
    return replace(sound, duration=sound.duration + seconds, peaks=peaks)


def test_tracks_that_differ_are_not_alike(index):
    assert all(likenesses(index.view(), number) == [] for number in range(1, 9))


def test_another_encoding_is_alike(index):
    index.add(20, encoded_again(track(3, seconds=LONG)))
    [likeness] = likenesses(index.view(), 20)
    assert (likeness.track_id, likeness.other_id) == (20, 3)
    assert likeness.share > 0.95 and likeness.seconds > 57 and abs(likeness.offset) < 0.05
    [back] = likenesses(index.view(), 3)
    assert (back.other_id, back.seconds) == (20, likeness.seconds)


def test_a_track_inside_a_longer_one_is_told_with_its_place(index):
    index.add(20, later(encoded_again(track(3, seconds=LONG)), 30.0))
    [likeness] = likenesses(index.view(), 20)
    assert likeness.other_id == 3
    assert abs(likeness.offset + 30.0) < 0.05 and likeness.share > 0.9
    [back] = likenesses(index.view(), 3)
    assert abs(back.offset - 30.0) < 0.05


def test_the_most_alike_comes_first(index):
    index.add(20, encoded_again(track(3, seconds=LONG)))
    half = track(3, seconds=LONG)
    index.add(21, replace(half, peaks=taken(half.peaks, half.peaks.frames < 20 * FRAMES_PER_SECOND)))
    assert [each.other_id for each in likenesses(index.view(), 3)] == [20, 21]


def test_it_is_the_same_after_a_merge(index):
    index.add(20, encoded_again(track(3, seconds=LONG)))
    before = likenesses(index.view(), 20)
    index.merge()
    assert likenesses(index.view(), 20) == before


def test_short_tracks_are_compared_too(index):
    index.add(30, track(30, seconds=4.0))
    index.add(31, encoded_again(track(30, seconds=4.0)))
    [likeness] = likenesses(index.view(), 31)
    assert likeness.other_id == 30 and likeness.seconds == pytest.approx(4.0, abs=0.1)


def test_who_is_gone_is_like_nobody(index):
    index.add(20, track(3, seconds=LONG))
    index.remove(20)
    assert likenesses(index.view(), 20) == []
    assert likenesses(index.view(), 3) == []
