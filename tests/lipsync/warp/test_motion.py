import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.lipsync.warp.grid import grid_over
from app.lipsync.warp.motion import OUTER, SHIFT, TURN, Motion, Sway, head_outline
from app.lipsync.warp.shape import mouth_shape
from tests.lipsync.portraits import FACE, astronaut_face

SHAPE = mouth_shape(astronaut_face())
GRID = grid_over(np.array([(0, 0), (511, 511)]), 64, (512, 512))


@given(st.floats(0, 1e5), st.integers(0, 99))
def test_a_head_stays_within_a_percent_of_its_height(time, seed):
    x, y, turn = Sway(100.0, seed).at(time)
    assert max(abs(x), abs(y)) <= SHIFT * 100 + 1e-6 and abs(turn) <= TURN + 1e-6


@given(st.integers(0, 99))
def test_it_starts_where_it_is(seed):
    assert not Sway(100.0, seed).at(0.0).any()


def test_a_picture_is_a_small_step_from_the_next():
    path = np.array([Sway(100.0, 0).at(number / 25) for number in range(2000)])
    assert np.abs(np.diff(path, axis=0)).max(axis=0)[:2].max() < 0.03


def test_motion_is_whole_within_the_head_and_nothing_far_from_it():
    back = Motion(SHAPE, GRID).back(np.float32([2, 1, 0]))
    x, y = GRID.nodes()
    away = np.hypot(x - FACE[0], y - FACE[1]) / SHAPE.height
    assert np.allclose(back[away < 0.45], (-2, -1))
    assert not back[away > 1.1 * OUTER].any()


def test_the_outline_holds_all_that_moves():
    back = Motion(SHAPE, GRID).back(np.float32([2, 1, 0.01]))
    x, y = GRID.nodes()
    low, high = head_outline(SHAPE).min(axis=0), head_outline(SHAPE).max(axis=0)
    outside = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    assert not back[outside].any()
