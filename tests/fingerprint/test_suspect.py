import pytest

from app.fingerprint.placement import Placement
from app.fingerprint.reel import Place
from app.fingerprint.spectrum import FRAMES_PER_SECOND
from app.fingerprint.suspect import Suspect
from app.fingerprint.verification import Evidence

TRACK = Place(7, first_frame=1024, frames=5000)
STEP = 22
COUNTED = 10
"""Stretches of 5 s."""


@pytest.mark.parametrize(
    ("odds", "best"), [([3, 4], 7), ([-5, 3, 4], 7), ([5, -1, 2], 6), ([5, -9, 2], 2), ([4, -9], 0), ([9, 1, -1], 9)]
)
def test_what_counts_is_the_best_sum_that_ends_now(odds, best):
    assert suspect(odds).best.odds == best


def test_stretches_add_up_as_they_come():
    track = suspect([1, 2])
    track.add(stretch(3), end=90)
    assert (track.best.odds, track.best.peaks, track.best.matched) == (6, 60, 30)
    assert (track.last.odds, track.end) == (3, 90)


def test_what_is_old_does_not_count():
    track = suspect([100])
    for _ in range(2 * COUNTED):
        track.add(stretch(1), end=0)
    assert track.best.odds == COUNTED


def test_nothing_speaks_for_a_track_that_stopped():
    track = suspect([50, 50])
    for _ in range(2):
        track.add(stretch(-1), end=0)
    assert (track.recent.odds, track.best.odds) == (-2, 98)


def test_a_moment_of_the_stream_is_one_of_the_track():
    track = Suspect(TRACK, Placement(1024 - 10 * FRAMES_PER_SECOND, tempo=1.02), [stretch(1)], end=0, step=STEP)
    assert track.seconds_at(50) == pytest.approx(41.0)


def test_a_suspect_is_at_its_place_give_or_take_some_frames():
    track = suspect([1])
    assert (track.on_reel.place, track.is_at(1060, 60), track.is_at(1084, 60)) == (1000, True, False)


def stretch(odds: float) -> Evidence:
    return Evidence(odds, peaks=20, matched=10, gain=-12.0)


def suspect(odds: list[float]) -> Suspect:
    return Suspect(TRACK, Placement(1000.0), [stretch(one) for one in odds], end=60, step=STEP)
