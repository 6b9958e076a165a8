import numpy as np
import pytest

from app.lipsync.engine import AHEAD
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.warp.engine import WarpEngine, held_bytes
from tests.lipsync.performers import order
from tests.lipsync.portraits import astronaut, astronaut_face, picture

PAPA = tuple(
    TimedPhoneme(ipa, start, start + 0.15) for ipa, start in (("p", 0.0), ("a", 0.15), ("p", 0.3), ("a", 0.45))
)


def portrait():
    return WarpEngine().prepare(picture(astronaut()), astronaut_face(), order())


def heard(performance, seconds, rate=16_000):
    sound = (0.3 * np.sin(np.arange(round(seconds * rate)) / 20)).astype(np.float32)
    return np.concatenate(list(performance.hear(iter(np.array_split(sound, 3)), rate)))


@pytest.mark.parametrize("phonemes", [None, PAPA])
def test_there_is_a_row_for_each_begun_frame(phonemes):
    performance = portrait().perform(order(phonemes=phonemes))
    assert heard(performance, 0.61).shape == (16, 3)


def test_known_phonemes_move_the_mouth_whatever_is_heard():
    performance = portrait().perform(order(phonemes=PAPA))
    opened = heard(performance, 0.6)[:, 0]
    assert opened[5] > 0.3 > 0.1 > opened[9]


def test_only_what_changes_differs_and_frames_last_as_long_as_they_have_to():
    performance = portrait().perform(order(phonemes=PAPA))
    cues = heard(performance, 0.6)
    left, top, right, bottom = performance.changed
    drawn = []
    for frame in performance.draw(cues, 0):
        drawn.append((frame, frame.copy()))
        assert all(np.array_equal(held, seen) for held, seen in drawn[-AHEAD - 2 :])
        outside = frame.copy()
        outside[top:bottom, left:right] = astronaut()[top:bottom, left:right]
        assert np.array_equal(outside, astronaut())
    assert len({id(frame) for frame, _ in drawn}) == AHEAD + 2
    assert not np.array_equal(drawn[5][1], drawn[9][1])
    assert list(performance.frames(drawn[0][0]))[0] is drawn[0][0]


def test_the_same_sound_makes_the_same_frames_again():
    kept = portrait()
    first, second = (
        [frame.copy() for frame in kept.perform(order()).draw(np.full((5, 3), 0.4, np.float32), 60)] for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_its_size_is_that_of_its_arrays():
    assert 500_000 < portrait().size < 100_000_000


def test_arrays_are_counted_once_with_all_that_they_are_views_of():
    large = np.zeros(1000, np.uint8)
    assert held_bytes({"a": large[:10], "b": [large[5:], {"c": np.zeros(5, np.float32)}]}) == 1020
