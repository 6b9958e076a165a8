import cv2
import numpy as np
import pytest

from app.lipsync.yuv import YuvFrame

RNG = np.random.default_rng(0)


def random_picture() -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize("box", [(0, 0, 96, 64), (10, 20, 30, 40), (11, 21, 30, 41), (-5, -5, 7, 9), (90, 60, 200, 99)])
def test_only_what_changed_is_converted_and_it_is_the_whole_picture(box: tuple[int, int, int, int]) -> None:
    first, second = random_picture(), random_picture()
    left, top, right, bottom = (max(value, 0) for value in box)
    mixed = first.copy()
    mixed[top:bottom, left:right] = second[top:bottom, left:right]
    frame = YuvFrame(96, 64)
    frame.update(first)
    assert np.array_equal(frame.update(mixed, box), cv2.cvtColor(mixed, cv2.COLOR_BGR2YUV_I420))


def test_the_first_picture_is_converted_whatever_changed() -> None:
    picture = random_picture()
    assert np.array_equal(YuvFrame(96, 64).update(picture, (4, 4, 8, 8)), cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420))


def test_nothing_changed() -> None:
    picture = random_picture()
    frame = YuvFrame(96, 64)
    kept = frame.update(picture).copy()
    assert np.array_equal(frame.update(random_picture(), (8, 8, 8, 8)), kept)
