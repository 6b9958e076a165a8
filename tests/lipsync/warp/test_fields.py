import numpy as np
import pytest

from app.lipsync.warp.fields import Fields, Pose, edges, pose_of, rest_of
from app.lipsync.warp.grid import grid_over
from app.lipsync.warp.seam import looked_at
from app.lipsync.warp.shape import mouth_shape
from tests.lipsync.portraits import astronaut, astronaut_face

SHAPE = looked_at(mouth_shape(astronaut_face()), astronaut())
GRID = grid_over(np.array([(130, 90), (320, 260)]), 190, (512, 512))
FIELDS = Fields(SHAPE, GRID)
STILL = Pose(drop=0, rise=0, closing=0, spread=0, rounding=0)


def displaced(layer: str, pose: Pose, at: tuple[float, float]) -> float:
    """How far down skin has come that is now at u and v."""
    u, v = SHAPE.along(*GRID.nodes())
    row, column = np.unravel_index(np.argmin(np.hypot(u - at[0], v - at[1])), u.shape)
    return -float(getattr(FIELDS, layer)(pose, None)[row, column] @ SHAPE.axes[1])


def test_rest_is_no_displacement():
    assert pose_of(SHAPE, rest_of(SHAPE)).change == pytest.approx(0, abs=1e-5)
    assert not FIELDS.whole(STILL, None).any()


def test_the_widest_mouth_is_as_wide_as_the_range():
    pose = pose_of(SHAPE, np.float32([1, 0, 0]))
    assert pose.change + SHAPE.gap == pytest.approx(SHAPE.range) and pose.closing == 0


def test_the_lower_lip_drops_with_the_chin_and_the_upper_stays():
    pose = Pose(drop=8, rise=0, closing=0, spread=0, rounding=0)
    lip = float(SHAPE.lower_inside[128])
    assert displaced("lower", pose, (0, lip + 9)) == pytest.approx(8, abs=0.5)
    assert 4 < displaced("lower", pose, (0, SHAPE.chin + 4)) < 8
    assert displaced("upper", pose, (0, float(SHAPE.upper_outside[128]))) == pytest.approx(0, abs=0.3)
    assert displaced("lower", pose, (0, SHAPE.chin + 70)) == pytest.approx(0, abs=0.01)


def test_both_layers_agree_beyond_the_corners():
    pose = Pose(drop=8, rise=2, closing=0, spread=-4, rounding=1)
    u, v = SHAPE.along(*GRID.nodes())
    found = edges(SHAPE, u)
    beyond = (np.abs(SHAPE.across(u)) > 1.35) & (np.abs(v - (found.upper + found.lower) / 2) < 1.5)
    difference = FIELDS.lower(pose, None)[beyond] - FIELDS.upper(pose, None)[beyond]
    assert beyond.sum() > 50 and np.abs(difference).max() < 0.5


def test_closing_brings_the_edges_together():
    closed = Pose(drop=0, rise=0, closing=1, spread=0, rounding=0)
    u, v = SHAPE.along(*GRID.nodes())
    lower, upper = FIELDS.lower(closed, None), FIELDS.upper(closed, None)
    for column in range(80, 110):
        found = edges(SHAPE, u[:, column])
        below = v[:, column] + lower[:, column] @ SHAPE.axes[1] - found.lower
        above = v[:, column] + upper[:, column] @ SHAPE.axes[1] - found.upper
        meeting = [v[:, column][np.argmax(each > 0)] for each in (below, above)]
        assert abs(meeting[0] - meeting[1]) <= 1.01
    assert np.abs(FIELDS.gap(closed, lower)).max() < 1e-3


def test_the_inverse_leads_back():
    pose = Pose(drop=8, rise=1, closing=0, spread=3, rounding=0)
    back = FIELDS.lower(pose, None)
    forward = -FIELDS.lower(pose, None)
    once = GRID.looked_up(forward, -back)
    below = SHAPE.along(*GRID.nodes())[1] > float(SHAPE.lower_inside[128]) + 10
    assert np.abs(once + back)[below].mean() < 1.0


def test_a_jaw_alone_moves_both_layers_alike():
    fields = Fields(SHAPE, GRID, jaw_only=True)
    pose = Pose(drop=8, rise=1, closing=0, spread=0, rounding=0)
    whole = fields.whole(pose, None)
    jumps = np.abs(np.diff(whole @ SHAPE.axes[1].astype(np.float32), axis=0))
    assert jumps.max() < 0.25 and np.abs(whole).max() > 2
