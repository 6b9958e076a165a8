from threading import Event

import cv2
import numpy as np
import pytest
from skimage import data

from app.lipsync.faces.face import Face
from app.lipsync.faces.finder import Finder
from app.lipsync.handover import Stopped
from tests.lipsync.portraits import FACE, MODELS, MOUTH, astronaut, needs_models, picture, small_in_large

pytestmark = needs_models


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(MODELS)


@pytest.fixture(scope="module")
def reference(finder) -> np.ndarray:
    return finder.find(picture(astronaut()))[0].landmarks


def mouth_error(found: np.ndarray, expected: np.ndarray) -> float:
    """How far the mouth is from where it should be, in heights of the face."""
    height = np.linalg.norm(expected[152] - expected[10])
    return float(np.linalg.norm(found[MOUTH] - expected[MOUTH], axis=1).mean() / height)


def test_the_astronaut_is_found(finder):
    (face,) = finder.find(picture(astronaut()))
    left, top, right, bottom = face.box
    assert left < FACE[0] < right and top < FACE[1] < bottom
    assert face.landmarks.shape == (468, 2) and face.landmarks.dtype == np.float32
    assert face.score > 0.99 and not face.is_rough


def test_what_is_left_in_the_picture_is_left_in_the_face(finder, reference):
    assert reference[61][0] < reference[13][0] < reference[291][0]
    assert reference[10][1] < reference[1][1] < reference[13][1] < reference[14][1] < reference[152][1]


@pytest.mark.parametrize("degrees", [15, 45, 75, 90, 120, 150, 180, -30, -60, -90, -135])
def test_a_turned_face_is_found(finder, reference, degrees):
    turn = cv2.getRotationMatrix2D(FACE, degrees, 1)
    turn[:, 2] += (31, 131)
    turned = cv2.warpAffine(astronaut(), turn, (512, 512), borderValue=(90, 90, 90))
    (face,) = finder.find(picture(turned))
    assert mouth_error(face.landmarks, reference @ turn[:, :2].T + turn[:, 2]) < 0.04


@pytest.mark.parametrize("factor", [0.5, 0.2, 0.1, 0.05])
def test_a_dark_face_is_found(finder, reference, factor):
    (face,) = finder.find(picture(astronaut() * factor))
    assert mouth_error(face.landmarks, reference) < 0.02


@pytest.mark.parametrize("sigma", [15, 30, 60])
def test_a_noisy_face_is_found(finder, reference, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, astronaut().shape)
    (face,) = finder.find(picture((astronaut() + noise).clip(0, 255)))
    assert mouth_error(face.landmarks, reference) < 0.03


@pytest.mark.parametrize("height", [128, 96, 64, 48, 32, 24])
def test_a_small_face_is_found(finder, reference, height):
    pixels, scale, place = small_in_large(height)
    face = finder.find(picture(pixels))[0]
    assert mouth_error(face.landmarks, (reference - (90, 0)) * scale + place) < 0.06


def test_a_painted_face_is_found(finder, reference):
    painted = cv2.stylization(astronaut(), sigma_s=60, sigma_r=0.45)
    (face,) = finder.find(picture(painted))
    assert mouth_error(face.landmarks, reference) < 0.03


def test_the_mouth_is_found_again_within_half_a_percent(finder, reference):
    shifted = np.roll(astronaut(), (3, 5), axis=(0, 1))
    (face,) = finder.find(picture(shifted))
    assert mouth_error(face.landmarks, reference + (5, 3)) < 0.005


def test_of_two_faces_the_larger_comes_first(finder):
    small = cv2.resize(astronaut(), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    both = np.zeros((512, 900, 3), np.uint8)
    both[:358, :358], both[:, 388:] = small, astronaut()
    large, other = finder.find(picture(both))
    assert large.area > 1.5 * other.area
    assert large.box[0] > 388 > other.box[2]


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "gravel"])
def test_a_picture_without_a_face_has_none(finder, name):
    pixels = getattr(data, name)()
    pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR if pixels.ndim == 2 else cv2.COLOR_RGB2BGR)
    assert finder.find(picture(pixels)) == []


def test_other_detectors_are_asked_first_and_the_mesh_measures(finder, reference):
    class First:
        def find(self, _) -> list[Face]:
            return [Face(reference + np.float32(8), (0, 0, 9, 9), 0.7)]

    (face,) = Finder(MODELS, first=First()).find(picture(astronaut()))
    assert mouth_error(face.landmarks, reference) < 0.005


def test_without_the_models_faces_are_rough_and_the_reason_is_known(tmp_path, reference):
    finder = Finder(tmp_path)
    (face,) = finder.find(picture(astronaut()))
    assert face.is_rough and "scripts/face_models" in str(finder.missing)
    assert mouth_error(face.landmarks, reference) < 0.12


def test_a_damaged_model_is_not_run(tmp_path):
    for path in MODELS.glob("*.tflite"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-1])
    assert "sha256" in str(Finder(tmp_path).missing)


def test_faces_are_found_in_threads_at_once(finder, reference):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: finder.find(picture(astronaut()))[0].landmarks, range(8)))
    assert all(np.array_equal(each, reference) for each in found)


def moved(x: float, y: float, degrees: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Her picture, moved and turned, and the matrix of it."""
    matrix = cv2.getRotationMatrix2D(FACE, degrees, 1)
    matrix[:, 2] += (x, y)
    return cv2.warpAffine(astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE), matrix


@pytest.mark.parametrize("move", [(0, 0, 0), (9, -7, 4), (-14, 10, -8)])
def test_a_face_is_followed_into_the_next_frame(finder, reference, move):
    pixels, matrix = moved(*move)
    (before,) = finder.find(picture(astronaut()))
    face = finder.follow(picture(pixels), before)
    assert mouth_error(face.landmarks, reference @ matrix[:, :2].T + matrix[:, 2]) < 0.01


def test_a_face_that_has_gone_is_not_followed(finder):
    (before,) = finder.find(picture(astronaut()))
    assert finder.follow(picture(np.full((512, 512, 3), 120)), before) is None


def test_without_the_models_the_nearest_rough_face_is_followed(tmp_path):
    rough = Finder(tmp_path)
    (before,) = rough.find(picture(astronaut()))
    after = rough.follow(picture(moved(6, 4)[0]), before)
    assert after.is_rough
    assert np.abs(np.subtract(after.box, before.box) - (6, 4, 6, 4)).max() < 6
    assert rough.follow(picture(np.full((512, 512, 3), 120)), before) is None


def test_who_is_stopped_does_not_look_on(finder):
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        finder.find(picture(astronaut()), stop)
