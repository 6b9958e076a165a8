import numpy as np
import pytest

from app.errors import Unavailable
from app.lipsync.crop import Levels, Square
from app.lipsync.faces.detector import Detector, overlap
from tests.lipsync.portraits import FACE, MODELS, astronaut, needs_models


@needs_models
def test_the_first_look_is_at_the_whole_picture():
    (proposal,) = next(Detector(MODELS).scan(Levels(astronaut())))
    assert abs(proposal.square.x - FACE[0]) < 10 and abs(proposal.square.y - FACE[1]) < 15
    assert 80 < proposal.square.side < 130 and abs(proposal.square.angle) < 0.3


@needs_models
def test_a_face_is_one_proposal_though_several_tiles_show_it():
    second = list(Detector(MODELS).scan(Levels(astronaut())))[1]
    assert len([each for each in second if np.hypot(each.square.x - FACE[0], each.square.y - FACE[1]) < 40]) == 1


def test_without_its_file_there_is_none(tmp_path):
    with pytest.raises(Unavailable, match="face_detection_short_range.tflite: scripts/face_models fetches it"):
        Detector(tmp_path)


@pytest.mark.parametrize(
    ("other", "expected"),
    [(Square(0, 0, 10), 1), (Square(5, 0, 10), 1 / 3), (Square(0, 0, 5), 1 / 4), (Square(20, 0, 10), 0)],
)
def test_overlap_is_intersection_over_union(other, expected):
    assert overlap(Square(0, 0, 10), other) == pytest.approx(expected)
    assert overlap(other, Square(0, 0, 10)) == pytest.approx(expected)
