import pytest

from app.fingerprint.cues import Cue, CueSheet

WINDOW, HOP = 10.0, 5.0


def cue(track=1, at=0.0, *, start=0.0, end=WINDOW, speed=1.0, score=9.0):
    """Return what a window says: from `start` to `end` of it a track is heard, from `at` on."""
    return Cue(track, start, end, at, speed, score, 0.9, 0.8)


def sheet(*windows):
    """Put windows together, of which each is a list of cues."""
    made = CueSheet(WINDOW)
    for number, cues in enumerate(windows):
        made.add(number * HOP, cues)
    return made.cues()


def spans(cues):
    return [(cue.track_id, cue.start, cue.end, cue.track_start) for cue in cues]


def test_a_track_that_goes_on_is_one_cue():
    cues = sheet([cue(1, 30.0, score=7.0)], [cue(1, 35.0, score=12.0)], [cue(1, 40.2, end=8.0)])
    assert spans(cues) == [(1, 0.0, 18.0, 30.0)]
    assert (cues[0].score, cues[0].track_end) == (12.0, 48.0)


def test_a_faster_track_goes_on_at_its_speed():
    [found] = sheet([cue(1, 10.0, speed=1.04)], [cue(1, 15.2, speed=1.04)])
    assert (found.start, found.end, found.track_start) == (0.0, 15.0, pytest.approx(10.0))
    assert found.track_end == pytest.approx(10.0 + 15 * 1.04)


def test_a_window_that_hears_nothing_does_not_end_a_track():
    assert spans(sheet([cue(1, 30.0)], [], [cue(1, 40.0)])) == [(1, 0.0, 20.0, 30.0)]
    assert len(sheet([cue(1, 30.0)], [], [], [], [], [cue(1, 55.0)])) == 2


def test_tracks_that_touch_change_in_the_middle():
    cues = sheet([cue(1, 0.0)], [cue(1, 5.0, end=6.0), cue(2, 0.0, start=5.0)], [cue(2, 0.0)])
    assert spans(cues) == [(1, 0.0, 10.5, 0.0), (2, 10.5, 20.0, 0.5)]


def test_tracks_that_are_mixed_are_heard_together():
    cues = sheet([cue(1, 0.0)], [cue(1, 5.0), cue(2, 0.0, start=4.0)], [cue(2, 1.0), cue(1, 10.0, end=5.0)])
    assert spans(cues) == [(1, 0.0, 15.0, 0.0), (2, 9.0, 20.0, 0.0)]


def test_the_same_track_from_elsewhere_is_another_cue():
    assert len(sheet([cue(1, 30.0)], [cue(1, 100.0)])) == 2


def test_two_that_are_alike_are_told_the_surer_first():
    cues = sheet([cue(1, 0.0), cue(2, 60.0, score=20.0)], [cue(2, 65.0), cue(1, 5.0)])
    assert spans(cues) == [(2, 0.0, 15.0, 60.0), (1, 0.0, 15.0, 0.0)]


def test_a_short_interlude_within_a_track_is_kept():
    interlude = cue(2, 40.0, start=3.0, end=7.0, score=5.0)
    cues = sheet([cue(1, 0.0)], [cue(1, 5.0), interlude], [cue(1, 10.0)], [cue(1, 15.0)])
    assert spans(cues) == [(1, 0.0, 25.0, 0.0), (2, 8.0, 12.0, 40.0)]


def test_nothing_heard_is_no_cue():
    assert sheet() == sheet([], []) == []


def test_thousands_of_cues_take_no_time():
    windows = [[cue(number % 7, 100.0 * number, end=4.0)] for number in range(3000)]
    assert len(sheet(*windows)) == 3000


def test_a_cue_knows_where_the_track_is():
    found = Cue(1, 10.0, 20.0, 30.0, 1.02, 9.0, 0.9, 0.8)
    assert (found.track_at(15.0), found.track_end) == (35.1, 40.2)
    assert (found.later(5.0).start, found.later(5.0).track_at(20.0)) == (15.0, 35.1)
