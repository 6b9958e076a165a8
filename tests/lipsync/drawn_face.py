"""A face drawn with a few strokes, and its landmarks: nothing of it needs a model or a photo."""

import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.faces.face_shape import MEAN_SHAPE

WIDTH, HEIGHT = 400, 480
MIDDLE, TALL = (200.0, 230.0), 220.0


def landmarks(*, middle: tuple[float, float] = MIDDLE, height: float = TALL, angle: float = 0.0) -> NDArray[np.float32]:
    """Return where the parts of the face are: (468, 2)."""
    shape = MEAN_SHAPE.astype(np.float64)
    centred = (shape - (shape.min(axis=0) + shape.max(axis=0)) / 2) * (height / np.ptp(shape[:, 1]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (centred @ turn.T + middle).astype(np.float32)


def portrait(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture with skin, pores, eyes and lips where the landmarks are."""
    noise = np.random.default_rng(0).normal(0, 9, (HEIGHT, WIDTH, 1))
    picture = np.full((HEIGHT, WIDTH, 3), (120, 110, 90), np.uint8)
    hull = cv2.convexHull(points.astype(np.int32))
    cv2.fillConvexPoly(picture, hull, (150, 175, 215))
    for index in (33, 263):
        cv2.circle(picture, tuple(int(value) for value in points[index]), 8, (60, 50, 40), -1)
    cv2.fillPoly(picture, [points[[61, 37, 0, 267, 291, 314, 17, 84]].astype(np.int32)], (90, 90, 190))
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
