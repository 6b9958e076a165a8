import math
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lipsync.crop import Square
from app.lipsync.faces.face import Face
from app.lipsync.faces.face_shape import rough_face
from app.lipsync.faces.finder import Finder
from app.lipsync.warp.seam import looked_at
from app.lipsync.warp.shape import mouth_shape
from app.lipsync.warp.warp import WarpPortrait
from tests.lipsync.portraits import (
    FACE,
    MODELS,
    astronaut,
    astronaut_face,
    drawn_face,
    needs_models,
    picture,
    scaled,
)

CLOSED, OPEN, ROUND = np.float32([0, 0, 0]), np.float32([1, 0, 0]), np.float32([0.3, -1, 0])
rows = st.tuples(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1)).map(np.float32)


@cache
def portrait(*, is_lively: bool = False, seed: int = 0) -> WarpPortrait:
    return WarpPortrait(picture(astronaut()), astronaut_face(), seed=seed, is_lively=is_lively)


@cache
def closed_picture() -> np.ndarray:
    """Her with closed lips."""
    return portrait().draw(CLOSED, 0)


def aperture(frame: np.ndarray) -> float:
    """How far the edges of the lips are apart in the middle, by their colours, in pixels."""
    return looked_at(mouth_shape(astronaut_face()), frame).gap


def darkness(frame: np.ndarray) -> int:
    """How many pixels of her mouth are as dark as a throat."""
    return int((cv2.cvtColor(frame[148:175, 210:238], cv2.COLOR_BGR2GRAY) < 75).sum())


@pytest.mark.parametrize("is_lively", [True, False])
def test_at_rest_a_frame_is_the_picture_itself(is_lively):
    both = portrait(is_lively=is_lively)
    assert np.array_equal(both.draw(both.rest, 0.0), astronaut())


@settings(max_examples=25, deadline=None)
@given(rows, st.floats(0, 100), st.booleans())
def test_outside_of_its_region_nothing_ever_changes(row, time, is_lively):
    speaking = portrait(is_lively=is_lively)
    frame = speaking.draw(row, time)
    frame[speaking.region] = astronaut()[speaking.region]
    assert np.array_equal(frame, astronaut())


def test_a_speaking_mouth_leaves_eyes_and_shoulders_alone():
    changed = np.abs(portrait().draw(OPEN, 0).astype(int) - astronaut()).max(axis=2)
    assert changed[:110].max() == 0 and changed[230:].max() == 0
    assert changed[120:200, 190:260].max() > 60


def test_the_wider_a_mouth_the_more_of_its_inside_is_seen():
    seen = [darkness(portrait().draw(np.float32([open, 0, 0]), 0)) for open in np.linspace(0, 1, 11)]
    assert seen == sorted(seen) and seen[0] == seen[4] == 0 and seen[-1] > 80


def test_lips_close_over_the_teeth_of_a_smile():
    assert aperture(astronaut()) > 4.5
    assert aperture(closed_picture()) == 0


@needs_models
def test_the_face_models_see_it_open_and_close():
    finder = Finder(MODELS)

    def measured(open: float) -> float:
        (face,) = finder.find(picture(portrait().draw(np.float32([open, 0, 0]), 0)))
        return float(face.landmarks[14, 1] - face.landmarks[13, 1])

    apertures = [measured(open) for open in np.linspace(0, 1, 9)]
    assert np.diff(apertures).min() > -0.1
    assert apertures[-1] > 2.5 * apertures[0]


@needs_models
def test_the_face_models_see_it_go_round_and_wide():
    finder = Finder(MODELS)

    def width(wide: float) -> float:
        (face,) = finder.find(picture(portrait().draw(np.float32([0.4, wide, 0]), 0)))
        return float(np.hypot(*(face.landmarks[291] - face.landmarks[61])))

    assert width(-1) < width(0) - 4 and width(1) > width(0) + 1


def test_closed_lips_open_and_show_an_inside():
    closed = WarpPortrait(picture(closed_picture()), astronaut_face(), is_lively=False)
    assert closed.shape.gap == 0 and np.array_equal(closed.draw(CLOSED, 0), closed_picture())
    assert darkness(closed.draw(OPEN, 0)) > 80 + darkness(closed_picture())


def test_closed_lips_show_no_dark_line():
    light = cv2.cvtColor(closed_picture(), cv2.COLOR_BGR2GRAY)[125:165, 208:240].astype(int)
    assert light.min() > 90


@pytest.mark.parametrize(
    ("first", "last"), [((0, 0.2, 0.1), (1, 0.2, 0.1)), ((0.36, 1, 0), (0.36, -1, 0)), ((0.6, -0.5, 0), (0.1, -0.5, 1))]
)
def test_a_small_step_of_the_mouth_is_a_small_step_of_the_picture(first, last):
    rows = np.linspace(first, last, 101).astype(np.float32)
    steps = [np.abs(more.astype(int) - less) for less, more in pairwise(portrait().draw(row, 0) for row in rows)]
    assert max(step.mean(axis=2).max() for step in steps) < 40
    assert max(step.mean() for step in steps) < 0.06


def test_the_same_seed_makes_the_same_frames_and_another_others():
    again = WarpPortrait(picture(astronaut()), astronaut_face(), seed=3)
    for time in (0.5, 2.0, 30.0):
        assert np.array_equal(again.draw(OPEN, time), portrait(is_lively=True, seed=3).draw(OPEN, time))
    assert not np.array_equal(again.draw(OPEN, 2.0), portrait(is_lively=True, seed=4).draw(OPEN, 2.0))


def test_a_frame_does_not_depend_on_those_before():
    lively = portrait(is_lively=True)
    expected = lively.draw(ROUND, 7.3)
    frame = None
    for number in range(12):
        frame = lively.draw(OPEN, number, frame)
    assert np.array_equal(lively.draw(ROUND, 7.3, frame), expected)


def test_a_moving_head_stays_sharp():
    lively, detail = portrait(is_lively=True), lambda pixels: cv2.Laplacian(pixels[60:190, 160:290], cv2.CV_64F).var()
    assert min(detail(lively.draw(lively.rest, time)) for time in (1.3, 4.1, 9.7)) > 0.55 * detail(astronaut())


def test_after_an_hour_the_head_is_where_it_was():
    lively = portrait(is_lively=True)
    for time in (3600.0, 86400.5):
        frame = lively.draw(lively.rest, time)
        shift, _ = cv2.phaseCorrelate(
            *(np.float64(cv2.cvtColor(each[60:200, 160:290], 6)) for each in (astronaut(), frame))
        )
        assert math.hypot(*shift) < 0.015 * lively.shape.height


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_speaks_the_same(turns):
    turned = np.ascontiguousarray(np.rot90(astronaut(), turns))
    x, y = astronaut_face().landmarks.T
    for _ in range(turns):
        x, y = y, 511 - x
    landmarks = np.column_stack([x, y]).astype(np.float32)
    speaking = WarpPortrait(picture(turned), Face(landmarks, (0, 0, 1, 1), 1.0), is_lively=False)
    frame = np.rot90(speaking.draw(OPEN, 0), -turns)
    assert np.abs(frame.astype(int) - portrait().draw(OPEN, 0)).mean() < 0.05


@pytest.mark.parametrize(("width", "height"), [(511, 509), (400, 300), (300, 512)])
def test_pictures_of_any_size_speak(width, height):
    pixels = astronaut()[:height, :width]
    frame = WarpPortrait(picture(pixels), astronaut_face()).draw(OPEN, 1.0)
    assert frame.shape == (height, width, 3)


@pytest.mark.parametrize(
    "part", [np.s_[90:180, 185:265], np.s_[:150, :], np.s_[:, :222], np.s_[:, 228:], np.s_[140:, :], np.s_[:40, :40]]
)
def test_a_face_that_is_cut_by_the_border_does_no_harm(part):
    pixels = astronaut()[part]
    top, left = part[0].start or 0, part[1].start or 0
    face = scaled(astronaut_face(), 1, (-left, -top))
    for row in (OPEN, CLOSED, ROUND):
        assert WarpPortrait(picture(pixels), face).draw(row, 2.8).shape == pixels.shape


@pytest.mark.parametrize("factor", [0.1, 0.25, 2, 3])
def test_faces_of_all_sizes_speak(factor):
    pixels = cv2.resize(astronaut(), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else 2)
    speaking = WarpPortrait(picture(pixels), scaled(astronaut_face(), factor), is_lively=False)
    small = cv2.resize(speaking.draw(OPEN, 0), (512, 512), interpolation=cv2.INTER_AREA)
    if factor >= 2:
        lost = np.abs(cv2.resize(pixels, (512, 512), interpolation=cv2.INTER_AREA).astype(int) - astronaut()).mean()
        assert np.abs(small.astype(int) - portrait().draw(OPEN, 0)).mean() < lost + 0.03


def test_a_rough_face_moves_its_jaw_and_nothing_else():
    face = rough_face(Square(*FACE, 106))
    speaking = WarpPortrait(picture(astronaut()), face)
    frame = speaking.draw(OPEN, 0.0)
    assert speaking.is_jaw_only and not np.array_equal(frame, astronaut())
    assert np.array_equal(speaking.draw(speaking.rest, 0.0), astronaut())
    assert darkness(frame) < 20


def test_a_face_from_the_side_moves_its_jaw_and_nothing_else():
    landmarks = astronaut_face().landmarks.copy()
    beyond = landmarks[:, 0] > landmarks[1, 0]
    landmarks[beyond, 0] = landmarks[1, 0] + 0.1 * (landmarks[beyond, 0] - landmarks[1, 0])
    assert WarpPortrait(picture(astronaut()), Face(landmarks, (0, 0, 1, 1), 1.0)).is_jaw_only


@needs_models
def test_a_drawn_face_speaks():
    pixels = drawn_face()
    (face,) = Finder(MODELS).find(picture(pixels))
    speaking = WarpPortrait(picture(pixels), face, is_lively=False)
    changed = np.abs(speaking.draw(OPEN, 0).astype(int) - pixels).max(axis=2)
    assert speaking.shape.gap == 0
    assert (changed > 30).sum() > 800 and changed[:260].max() == 0


def test_values_beyond_the_range_are_held_within():
    assert np.array_equal(portrait().draw(np.float32([7, 3, 4]), 0), portrait().draw(np.float32([1, 1, 1]), 0))
    assert np.array_equal(portrait().draw(np.float32([-7, -3, -4]), 0), portrait().draw(np.float32([0, -1, 0]), 0))
