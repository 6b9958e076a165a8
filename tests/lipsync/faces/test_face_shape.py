import numpy as np
import pytest

from app.lipsync.crop import Square
from app.lipsync.faces.face_alignment import MESH_NUMBERS
from app.lipsync.faces.face_shape import MEAN_SHAPE, bent_to, rough_face


def test_the_mean_face_is_a_face():
    assert MEAN_SHAPE.shape == (468, 2)
    assert MEAN_SHAPE.min() == pytest.approx(0, abs=0.05) and MEAN_SHAPE.max() == pytest.approx(1, abs=0.05)
    assert MEAN_SHAPE[[61, 291], 0].mean() == pytest.approx(0.5, abs=0.01)
    assert np.diff(MEAN_SHAPE[[10, 1, 13, 152], 1]).min() > 0.05


def test_a_rough_face_fills_its_square():
    face = rough_face(Square(100, 200, 50))
    assert face.is_rough and face.box == pytest.approx((75, 175, 125, 225), abs=5)


def test_the_bent_shape_goes_through_the_points():
    points = MEAN_SHAPE[MESH_NUMBERS] * 300 + np.random.default_rng(0).normal(0, 4, (68, 2))
    assert bent_to(MESH_NUMBERS, points.astype(np.float32))[MESH_NUMBERS] == pytest.approx(points, abs=0.01)


def test_a_shape_that_is_only_turned_and_scaled_is_not_bent():
    turn = np.array([[200, 90], [-90, 200]], np.float32)
    bent = bent_to(MESH_NUMBERS, MEAN_SHAPE[MESH_NUMBERS] @ turn + 50)
    assert bent == pytest.approx(MEAN_SHAPE @ turn + 50, abs=0.01)
