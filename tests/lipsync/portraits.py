"""Pictures with faces: scikit-image's astronaut (NASA, in the public domain), and what becomes of her."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from app.lipsync.faces.face import Face, box_of
from app.lipsync.faces.model_file import CHECKSUMS
from app.lipsync.picture import Picture

MODELS = Path(__file__).parents[2] / "models" / "faces"
needs_models = pytest.mark.skipif(
    not all((MODELS / name).exists() for name in CHECKSUMS),
    reason="the face models are missing: run scripts/face_models",
)

FACE = (225.0, 123.0)
"""The middle of her face."""
MOUTH = [61, 291, 13, 14, 0, 17]


@cache
def astronaut() -> NDArray[np.uint8]:
    """512 x 512 pixels, blue-green-red; her face is 106 pixels high."""
    pixels = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    pixels.flags.writeable = False
    return pixels


def picture(pixels: NDArray) -> Picture:
    return Picture(np.ascontiguousarray(pixels, np.uint8), "digest")


def small_in_large(height: int, width: int = 1920) -> tuple[NDArray[np.uint8], float, tuple[int, int]]:
    """Her face with a height of so many pixels, in a large picture of noise; how much it is shrunk, and where it is."""
    scale, place = height / 106, (700, 500)
    small = cv2.resize(astronaut()[:260, 90:360], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    large = np.random.default_rng(1).integers(90, 160, (width * 9 // 16, width, 3), np.uint8)
    large = cv2.GaussianBlur(large, (0, 0), 3)
    large[place[1] : place[1] + small.shape[0], place[0] : place[0] + small.shape[1]] = small
    return large, scale, place


@cache
def astronaut_face() -> Face:
    """Her face, as the models measure it; the landmarks of a test of the engines need no model."""
    landmarks = np.load(Path(__file__).with_name("astronaut.npy"))
    return Face(landmarks, box_of(landmarks), 1.0)


def scaled(face: Face, factor: float, shift: tuple[float, float] = (0.0, 0.0)) -> Face:
    """A face in a picture that is so many times as large, and shifted; pixels have their middles at .5."""
    landmarks = ((face.landmarks + 0.5) * factor - 0.5 + np.float32(shift)).astype(np.float32)
    return Face(landmarks, box_of(landmarks), face.score, face.is_rough)


def drawn_face(size: int = 512) -> NDArray[np.uint8]:
    """A face drawn by code, with closed lips."""
    image = np.full((size, size, 3), (225, 205, 180), np.uint8)

    def at(*numbers: float) -> tuple[int, ...]:
        return tuple(round(number * size / 512) for number in numbers)

    def ellipse(middle, axes, colour, thickness=-1, start=0, end=360):
        cv2.ellipse(image, at(*middle), at(*axes), 0, start, end, colour, thickness, cv2.LINE_AA)

    skin, hair, line = (175, 200, 245), (40, 50, 70), max(at(3)[0], 1)
    ellipse((256, 520), (170, 120), (120, 70, 40))
    cv2.rectangle(image, at(215, 370), at(297, 450), (165, 190, 235), -1)
    ellipse((256, 215), (150, 170), hair)
    ellipse((256, 255), (118, 158), skin)
    ellipse((256, 130), (120, 60), hair, start=180)
    for x in (208, 304):
        ellipse((x, 235), (27, 15), (255, 255, 255))
        cv2.circle(image, at(x, 235), at(12)[0], (90, 60, 30), -1, cv2.LINE_AA)
        ellipse((x, 235), (27, 16), (30, 30, 40), line, 180)
        ellipse((x, 208), (30, 10), hair, line, 190, 350)
    cv2.line(image, at(256, 240), at(248, 290), (130, 160, 215), line, cv2.LINE_AA)
    ellipse((256, 292), (18, 8), (110, 140, 200), line, 20, 160)
    ellipse((256, 345), (46, 12), (110, 110, 210), start=180)
    ellipse((256, 345), (46, 17), (125, 125, 225), end=180)
    cv2.line(image, at(210, 345), at(302, 345), (60, 50, 120), line, cv2.LINE_AA)
    return image
