import numpy as np
import pytest

from app.lipsync.placement import Placement, place, roll
from tests.lipsync.drawn_face import landmarks, portrait

LEVEL = landmarks()


def test_a_level_face_is_the_box_around_it_with_its_pads() -> None:
    placement = place(LEVEL, pads=(3, 10, 5, 7))
    corners = placement.to_picture(np.array([(0, 0), (96, 96)], np.float32))
    assert corners[0] == pytest.approx(LEVEL.min(axis=0) - (5, 3), abs=1e-3)
    assert corners[1] == pytest.approx(LEVEL.max(axis=0) + (7, 10), abs=1e-3)


@pytest.mark.parametrize("angle", [-1.2, -0.3, 0.3, 2.8])
def test_a_turned_face_is_upright_in_the_square(angle: float) -> None:
    turned = landmarks(angle=angle)
    assert roll(turned) == pytest.approx(angle, abs=0.06)
    upright = place(turned).to_square(turned)
    assert np.abs(upright - place(LEVEL).to_square(LEVEL)).max() < 4


def test_a_face_that_hardly_turns_is_cut_out_level() -> None:
    assert roll(landmarks(angle=0.02)) == 0
    assert place(landmarks(angle=0.02)).matrix[0, 1] == 0


def test_there_and_back_is_the_same_place() -> None:
    placement = place(landmarks(angle=0.4))
    assert np.abs(placement.to_picture(placement.to_square(LEVEL)) - LEVEL).max() < 1e-3


@pytest.mark.parametrize("scale", [0.5, 1, 2, 3])
def test_pixels_go_back_to_where_they_were_taken(scale: float) -> None:
    rows, columns = np.mgrid[0:400, 0:400].astype(np.float32)
    picture = np.dstack((columns / 2, rows / 2, columns / 4 + rows / 4)).astype(np.uint8)
    placement = Placement(np.array([[1 / scale, 0, -50 / scale], [0, 1 / scale, -70 / scale]]))
    side = int(80 * scale)
    back = placement.put(placement.take(picture).astype(np.float32), 60, 80, (side, side))
    assert np.abs(back - picture[80 : 80 + side, 60 : 60 + side]).max() < 1.6


def test_rows_can_be_put_without_those_above() -> None:
    placement = place(LEVEL)
    square = placement.take(portrait(LEVEL)).astype(np.float32)
    whole = placement.put(square, 150, 270, (80, 60))
    assert np.allclose(placement.put(square[44:], 150, 270, (80, 60), first_row=44), whole, atol=1e-3)


def test_a_picture_goes_on_beyond_its_border() -> None:
    picture = np.full((60, 60, 3), 77, np.uint8)
    assert (place(landmarks(middle=(50, 50), height=60)).take(picture) == 77).all()


def test_pads_may_not_turn_a_face_inside_out() -> None:
    assert np.linalg.det(place(LEVEL, pads=(-500, 0, 0, 0)).matrix[:, :2]) > 0
