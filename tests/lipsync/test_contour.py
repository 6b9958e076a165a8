import numpy as np
import pytest

from app.lipsync.contour import face_mask, skin_mask
from app.lipsync.placement import place
from tests.lipsync.drawn_face import landmarks

LEVEL = landmarks()
IN_SQUARE = place(LEVEL).to_square(LEVEL)
MASK = face_mask(IN_SQUARE, first_row=48)


def at(mask: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", index: int) -> float:
    column, row = IN_SQUARE[index].astype(int)
    return float(mask[row, column])


def test_mouth_and_chin_are_taken_and_nose_and_eyes_are_not() -> None:
    assert min(at(MASK, index) for index in (13, 14, 61, 291, 17, 199)) > 0.95
    assert max(at(MASK, index) for index in (1, 4, 33, 263, 10)) < 0.3
    assert MASK.min() == 0 and MASK.max() <= 1


def test_it_ends_softly_and_before_the_borders() -> None:
    steps = max(np.abs(np.diff(MASK, axis=0)).max(), np.abs(np.diff(MASK, axis=1)).max())
    assert steps < 0.35
    assert not MASK[:49].any() and not MASK[-1].any() and not MASK[:, 0].any() and not MASK[:, -1].any()


@pytest.mark.parametrize("first_row", [0, 48, 60])
def test_rows_that_are_not_drawn_are_not_taken(first_row: int) -> None:
    assert not face_mask(IN_SQUARE, first_row=first_row)[: first_row + 1].any()


def test_the_whole_lower_half_may_be_taken_instead() -> None:
    feather = face_mask(IN_SQUARE, first_row=48, blend="feather")
    assert (feather >= MASK - 1e-6).all() and feather[54:90, 6:90].min() == 1
    assert not feather[:49].any() and not feather[:, 0].any()


def test_a_face_in_profile_has_no_holes() -> None:
    turned = IN_SQUARE.copy()
    turned[:, 0] = 48 + 0.25 * (IN_SQUARE[:, 0] - 48) + 0.3 * np.abs(IN_SQUARE[:, 0] - 48)
    mask = face_mask(turned, first_row=48)
    for index in (13, 17, 199):
        column, row = turned[index].astype(int)
        assert mask[row, column] > 0.5


def test_lips_are_no_skin() -> None:
    skin = skin_mask(IN_SQUARE)
    assert max(at(skin, index) for index in (13, 14, 61, 291)) < 0.1
    assert at(skin, 152) > 0.9


def test_a_face_outside_of_the_square_takes_nothing() -> None:
    assert not face_mask(IN_SQUARE + 300, first_row=48).any()
