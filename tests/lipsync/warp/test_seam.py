import cv2
import numpy as np
import pytest

from app.lipsync.faces.face import Face
from app.lipsync.faces.finder import Finder
from app.lipsync.warp.seam import looked_at
from app.lipsync.warp.shape import mouth_shape
from app.lipsync.warp.warp import WarpPortrait
from tests.lipsync.portraits import MODELS, astronaut, astronaut_face, drawn_face, needs_models, picture, scaled

SHAPE = mouth_shape(astronaut_face())


def test_a_smile_is_open_between_the_teeth_and_the_lips():
    seen = looked_at(SHAPE, astronaut())
    assert 4 < seen.gap < 8
    assert float(np.abs(seen.lower_inside - SHAPE.lower_inside).max()) < 0.16 * 2 * SHAPE.half


def test_shut_lips_are_shut_whatever_landmarks_say():
    closed = WarpPortrait(picture(astronaut()), astronaut_face(), is_lively=False).draw(np.float32([0, 0, 0]), 0)
    assert SHAPE.gap > 7 and looked_at(SHAPE, closed).gap == 0


@needs_models
def test_the_seam_of_drawn_lips_is_their_line():
    pixels = drawn_face()
    seen = looked_at(mouth_shape(Finder(MODELS).find(picture(pixels))[0]), pixels)
    line = seen.origin + seen.at(seen.lower_inside, np.zeros(1, np.float32))[0] * seen.axes[1]
    assert seen.gap == 0 and line[1] == pytest.approx(345, abs=2)


def test_displaced_landmarks_are_put_right():
    shifted = scaled(astronaut_face(), 1, (0, 2.5))
    true, seen = looked_at(SHAPE, astronaut()), looked_at(mouth_shape(shifted), astronaut())
    middle = np.zeros(1, np.float32)
    for curve in ("upper_inside", "lower_inside"):
        error = (
            seen.origin[1]
            + seen.at(getattr(seen, curve), middle)
            - true.origin[1]
            - true.at(getattr(true, curve), middle)
        )
        assert abs(float(error[0])) < 1.6


def test_a_mouth_of_a_few_pixels_is_left_alone():
    small = mouth_shape(scaled(astronaut_face(), 0.1))
    assert looked_at(small, cv2.resize(astronaut(), (51, 51))) is small


CHANGES = {
    "dark": lambda pixels: pixels * 0.2,
    "pale": lambda pixels: pixels * 0.7 + 70,
    "grey": lambda pixels: np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2),
    "blue": lambda pixels: pixels * (1, 0.8, 0.6),
}


@needs_models
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_mouths_in_any_light_are_told_alike(change):
    closed = WarpPortrait(picture(astronaut()), astronaut_face(), is_lively=False).draw(np.float32([0, 0, 0]), 0)
    assert 3.5 < looked_at(SHAPE, change(astronaut()).astype(np.uint8)).gap < 8
    shape = mouth_shape(Finder(MODELS).find(picture(closed))[0])
    assert looked_at(shape, change(closed).astype(np.uint8)).gap == 0


def test_landmarks_that_waver_change_nothing_of_it():
    random = np.random.default_rng(0)
    for _ in range(20):
        landmarks = astronaut_face().landmarks + random.normal(0, 0.8, 2) + random.normal(0, 0.2, (468, 2))
        shape = mouth_shape(Face(landmarks.astype(np.float32), (0, 0, 1, 1), 1.0))
        assert 3.5 < looked_at(shape, astronaut()).gap < 7
