import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lipsync.crop import Levels, Square

numbers = st.floats(-300, 300)


@given(numbers, numbers, st.floats(5, 400), st.floats(-math.pi, math.pi))
def test_a_point_of_the_crop_goes_back_to_the_picture(x, y, side, angle):
    square = Square(x, y, side, angle)
    points = np.array([[x, y], [x + side / 3, y - side / 5]], np.float32)
    matrix = square.matrix(96)
    assert square.to_picture(points @ matrix[:, :2].T + matrix[:, 2], 96) == pytest.approx(points, abs=0.01)


def test_the_crop_shows_the_square():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[40:60, 120:140] = 255
    assert Levels(pixels).crop(Square(130, 50, 20), 10)[1:9, 1:9].min() == 255


def test_a_square_turned_clockwise_turns_the_crop_back():
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[70:90, 40:60] = 255  # below the middle, which is to the right of who is turned clockwise by a right angle
    crop = Levels(pixels).crop(Square(50, 50, 100, math.pi / 2), 100)
    assert crop[50, 80].min() == 255 and crop[80, 50].max() == 0


def test_a_small_crop_of_a_large_square_is_the_mean():
    pixels = np.indices((512, 512)).sum(axis=0) % 2 * 255
    crop = Levels(np.repeat(pixels[:, :, None], 3, axis=2).astype(np.uint8)).crop(Square(256, 256, 512), 16)
    assert crop.min() >= 126 and crop.max() <= 129
