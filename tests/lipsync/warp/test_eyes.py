import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lipsync.faces.face import Face
from app.lipsync.warp.eyes import Blinks, eyes_of
from tests.lipsync.portraits import astronaut_face

TIMES = np.arange(0, 120, 0.04)


def starts(seed: int) -> np.ndarray:
    closed = np.array([Blinks(seed).at(time) for time in TIMES]) > 0
    return TIMES[1:][closed[1:] & ~closed[:-1]]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 50))
def test_blinks_come_every_two_to_five_seconds(seed):
    between = np.diff(starts(seed))
    assert between.min() > 2.1 and between.max() < 5.1


def test_a_blink_is_five_pictures_long_and_closes():
    closed = np.array([Blinks(0).at(time) for time in TIMES])
    pictures = (closed > 0).sum() / len(starts(0))
    assert 4 <= pictures <= 6 and closed.max() > 0.9 and closed[:20].max() == 0


def test_blinks_are_the_seeds():
    assert np.array_equal(starts(1), starts(1)) and not np.array_equal(starts(1)[:5], starts(2)[:5])


def test_both_eyes_can_blink_and_the_lid_comes_down():
    eyes = eyes_of(astronaut_face(), (512, 512))
    assert len(eyes) == 2
    for eye in eyes:
        back = eye.back(1.0)
        assert np.abs(eye.back(0.0)).max() < 1e-5
        assert back[..., 1].min() < -2 and abs(back[0]).max() < 0.5
        assert np.all(back @ eye.down <= 1e-5)


def test_closed_and_tiny_eyes_do_not():
    flat = astronaut_face().landmarks * np.float32([1, 0.1])
    assert eyes_of(Face(flat, (0, 0, 1, 1), 1.0), (512, 512)) == []
    assert eyes_of(Face(astronaut_face().landmarks * np.float32(0.1), (0, 0, 1, 1), 1.0), (51, 51)) == []
