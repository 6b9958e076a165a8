"""The mean face: where landmarks are if nothing is known but a square, or a few points."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.lipsync.crop import Square
from app.lipsync.faces.face import Face, box_of

MEAN_SHAPE: NDArray[np.float32] = np.load(Path(__file__).with_name("face_shape.npy"))
"""Shape (468, 2), in the square around it, 0 to 1: the mean of the mesh over the faces of scikit-image's lfw_subset and
their mirror images, by scripts/make_face_shape.py."""


def rough_face(square: Square, score: float = 0.0) -> Face:
    """Return the mean face in a square."""
    landmarks = square.to_picture(MEAN_SHAPE, 1)
    return Face(landmarks, box_of(landmarks), score, is_rough=True)


def bent_to(known: NDArray[np.intp], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean shape, shape (468, 2), bent so that the landmarks `known` lie at `points`.

    By the thin plate that bends least (Bookstein 1989), for each coordinate.
    """
    sources = MEAN_SHAPE[known].astype(np.float64)
    count = len(known)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _plate(sources, sources)
    system[:count, count:] = np.column_stack([np.ones(count), sources])
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.solve(system, np.vstack([points, np.zeros((3, 2))]))
    basis = np.column_stack([_plate(MEAN_SHAPE, sources), np.ones(len(MEAN_SHAPE)), MEAN_SHAPE])
    return (basis @ weights).astype(np.float32)


def _plate(points: NDArray[np.floating], centres: NDArray[np.floating]) -> NDArray[np.float64]:
    squared: NDArray[np.float64] = ((points[:, None] - centres[None]) ** 2).sum(axis=2).astype(np.float64)
    return np.asarray(squared * np.log(np.maximum(squared, 1e-12)))
