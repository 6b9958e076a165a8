import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.lipsync.compose import ColourMatch, Moments, Patch, StillComposer
from tests.lipsync.drawn_face import landmarks, portrait

FIRST_ROW = 48
LEVEL = landmarks()
PICTURE = portrait(LEVEL)


def composer(points: NDArray[np.float32] = LEVEL, **options: object) -> StillComposer:
    return StillComposer(portrait(points), points, first_row=FIRST_ROW, **options)  # type: ignore[arg-type]


def differences(frame: NDArray[np.uint8], picture: NDArray[np.uint8] = PICTURE) -> NDArray[np.int_]:
    return np.abs(frame.astype(int) - picture).max(axis=2)


def like_a_network(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the rows of a face that says o, blurred and reddish."""
    blurred = cv2.GaussianBlur(face, (0, 0), 1.2).astype(np.float32) * 0.9 + (-5, 0, 25)
    cv2.ellipse(blurred, (48, 72), (8, 6), 0, 0, 360, (30, 20, 60), -1)
    return np.clip(blurred, 0, 255).astype(np.uint8)[FIRST_ROW:]


def test_nothing_changes_outside_of_the_mask() -> None:
    made = composer()
    left, top, right, bottom = made.changed
    changed = differences(made.compose(like_a_network(made.face)))
    outside = np.ones_like(changed, bool)
    outside[top:bottom, left:right] = False
    assert not changed[outside].any()
    assert not changed[: int(LEVEL[33, 1])].any()
    assert changed[int(LEVEL[13, 1]), int(LEVEL[13, 0])] > 50


def test_an_unchanged_face_is_the_picture_in_all_its_detail() -> None:
    made = composer()
    frame = made.compose(made.face[FIRST_ROW:])
    left, top, right, bottom = made.changed
    skin = np.s_[int(LEVEL[175, 1]) - 8 : int(LEVEL[175, 1]) + 8, 180:220]
    blurred = cv2.GaussianBlur(PICTURE, (0, 0), 2)
    assert differences(frame)[skin].mean() < 0.4 * differences(blurred)[skin].mean()
    assert differences(frame)[top:bottom, left:right].mean() < 3


def test_colours_of_the_skin_are_kept() -> None:
    made = composer()
    drawn = like_a_network(made.face)
    frame = made.compose(drawn)
    chin = np.s_[int(LEVEL[199, 1]) : int(LEVEL[152, 1]) - 12, 185:215]
    wanted = PICTURE[chin].mean(axis=(0, 1))
    assert np.abs(frame[chin].mean(axis=(0, 1)) - wanted).max() < 4
    assert np.abs(drawn[-14:-8, 40:56].mean(axis=(0, 1)) - wanted).max() > 12


def test_no_edge_is_seen_where_the_mask_ends() -> None:
    flat = np.full_like(PICTURE, (150, 175, 215))
    made = StillComposer(flat, LEVEL, first_row=FIRST_ROW)
    drawn = np.full((96 - FIRST_ROW, 96, 3), (190, 150, 240), np.uint8)
    frame = made.compose(drawn).astype(int)
    assert np.abs(np.diff(frame, axis=0)).max() <= 1 and np.abs(np.diff(frame, axis=1)).max() <= 1


def test_frames_do_not_depend_on_those_before_but_for_colours() -> None:
    drawn = like_a_network(composer().face)
    first, second = composer(), composer()
    second.compose(drawn[::-1].copy())
    once = first.compose(drawn).copy()
    for _ in range(60):
        again = second.compose(drawn)
    assert differences(once, again).max() <= 2


@pytest.mark.parametrize("points", [landmarks(angle=0.5), landmarks(middle=(200, 430)), landmarks(middle=(20, 230))])
def test_faces_may_be_turned_or_cut_off(points: NDArray[np.float32]) -> None:
    made, picture = composer(points), portrait(points)
    frame = made.compose(like_a_network(made.face))
    assert differences(frame, picture).any()
    left, top, right, bottom = made.changed
    assert 0 <= left < right <= 400 and 0 <= top < bottom <= 480


def test_a_face_outside_of_the_picture_changes_nothing() -> None:
    made = StillComposer(PICTURE, landmarks(middle=(900, 900)), first_row=FIRST_ROW)
    assert np.array_equal(made.compose(np.zeros((48, 96, 3), np.uint8)), PICTURE)


def test_colours_follow_slowly_unless_that_is_not_wanted() -> None:
    wanted = Moments(np.full(3, 100, np.float32), np.full(3, 10, np.float32))
    flash = Moments(np.full(3, 150, np.float32), np.full(3, 10, np.float32))
    grey = np.full(3, 100, np.float32)
    slow, quick = ColourMatch(), ColourMatch(1.0)
    for match in (slow, quick):
        match.adapt(wanted, wanted)
        match.adapt(flash, wanted)
    assert slow(grey) == pytest.approx(92.5, abs=0.1)
    assert quick(grey) == pytest.approx(50, abs=0.1)


def test_each_frame_of_a_video_is_a_patch_of_its_own() -> None:
    match = ColourMatch()
    for step in range(3):
        points = landmarks(middle=(200 + 4 * step, 230))
        frame = portrait(points)
        patch = Patch(frame, points, first_row=FIRST_ROW)
        pasted = frame.copy()
        patch.paste(like_a_network(patch.face), pasted, match)
        x, y = points[13].astype(int)
        assert differences(pasted, frame)[y, x] > 50 and patch.face.shape == (96, 96, 3)
