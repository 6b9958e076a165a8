import math

import cv2

from app.lipsync.crop import Levels
from app.lipsync.faces.haar import Haar
from tests.lipsync.portraits import FACE, astronaut


def test_a_face_is_proposed_where_it_is():
    (square,) = Haar().propose(Levels(astronaut()))
    assert abs(square.x - FACE[0]) < 10 and abs(square.y - FACE[1]) < 12 and 85 < square.side < 125


def test_a_turned_face_is_proposed_in_a_turned_picture():
    turned = cv2.rotate(astronaut(), cv2.ROTATE_90_CLOCKWISE)
    squares = Haar().propose(Levels(turned), [math.pi / 2])
    assert any(abs(each.x - (511 - FACE[1])) < 15 and abs(each.y - FACE[0]) < 15 for each in squares)


def test_a_tiny_face_is_proposed():
    small = cv2.resize(astronaut(), None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    squares = Haar().propose(Levels(small))
    assert any(abs(each.x - 0.3 * FACE[0]) < 4 and abs(each.y - 0.3 * FACE[1]) < 5 for each in squares)
