import numpy as np
import pytest

from app.errors import InvalidInput, NoFace
from app.lipsync.faces.face import Face, choose


def face(left: float, top: float, side: float) -> Face:
    return Face(np.zeros((468, 2), np.float32), (left, top, left + side, top + side), 0.9)


LARGE, SMALL = face(0, 0, 100), face(200, 0, 50)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (None, LARGE),
        (0, LARGE),
        (1, SMALL),
        ((10, 10), LARGE),
        ((210, 10), SMALL),
        ((900, 900), SMALL),
        ((-50, 0), LARGE),
    ],
)
def test_a_face_is_chosen(wanted, chosen):
    assert choose([LARGE, SMALL], wanted) is chosen


def test_of_faces_one_within_the_other_a_point_chooses_the_inner():
    inner = face(40, 40, 20)
    assert choose([LARGE, inner], (50, 50)) is inner


def test_no_face_says_so():
    with pytest.raises(NoFace, match="no face was found"):
        choose([], None)


@pytest.mark.parametrize("wanted", [2, -1])
def test_a_face_that_is_not_there_is_refused(wanted):
    with pytest.raises(InvalidInput, match=f"face {wanted} was asked for; the picture has 2"):
        choose([LARGE, SMALL], wanted)
