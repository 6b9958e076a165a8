import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Overloaded
from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.reel import GAP, PAGE, Place, Reel, length_of
from tests.fingerprint.indexes import extreme

lengths = st.lists(st.integers(0, 2000), min_size=1, max_size=8)


@given(lengths)
def test_every_frame_of_a_track_is_its_own(lengths):
    reel = laid(lengths)
    for number, length in enumerate(lengths):
        first = int(reel.first_frames[number])
        for frame in (first - GAP, first, first + length - 1):
            assert length == 0 or reel.at(frame) == Place(number, first, length)


@given(lengths)
def test_nothing_is_behind_a_track_before_the_next_one_is_near(lengths):
    reel = laid(lengths)
    for first, length in zip(reel.first_frames, lengths, strict=True):
        place = reel.at(int(first) + length)
        assert place is None or place.first_frame > first


@given(lengths, lengths)
def test_tracks_can_be_added_at_once_or_one_by_one(some, others):
    assert laid(some + others).agrees_with(laid(some).with_tracks(list(range(len(some), 99))[: len(others)], others))


@given(lengths)
def test_tracks_begin_at_pages(lengths):
    assert not np.any(laid(lengths).first_frames % PAGE)


def test_a_track_that_was_removed_leaves_its_place():
    reel = laid([500, 500, 500]).without(1)
    assert reel.at(int(reel.first_frames[1])) is None
    assert reel.at(int(reel.first_frames[2])) == Place(2, int(reel.first_frames[2]), 500)
    assert (len(reel), reel.frames) == (2, 1000)
    assert reel.number_of(1) is None


def test_an_empty_reel_has_nothing():
    assert Reel.empty().at(0) is None
    assert (len(Reel.empty()), Reel.empty().seconds, Reel.empty().end) == (0, 0.0, 0)


def test_a_reel_is_not_endless():
    reel = laid([1 << 31])
    with pytest.raises(Overloaded, match="frames"):
        reel.with_tracks([1], [1 << 31])


@pytest.mark.parametrize(
    ("duration", "frames", "length"), [(0.0, [], 0), (10.0, [3], 431), (0.1, [3, 90], 91), (0.0, [0], 1)]
)
def test_a_track_is_as_long_as_its_sound_and_has_all_its_peaks(duration, frames, length):
    assert length_of(Fingerprint(VERSION, duration, extreme(frames))) == length


def laid(lengths: list[int]) -> Reel:
    return Reel.empty().with_tracks(list(range(len(lengths))), lengths)
