"""Finds where faces may be, by MediaPipe's short-range detector on tiles of the picture.

The network (BlazeFace, Bazarevsky et al. 2019, arXiv:1907.05047) tells faces from about a sixth of its input's side up
to all of it. Small ones are found because it looks at the whole picture first, and then at ever smaller tiles.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from app.lipsync.crop import Levels, Square
from app.lipsync.faces.face_network import Network
from app.lipsync.faces.model_file import DETECTOR
from app.lipsync.handover import GO_ON, check

INPUT_SIDE = 128
MIN_SCORE = 0.5
MAX_OVERLAP = 0.3
"""Of two boxes, as intersection over union, that are still two faces."""
TILE_STEP = 0.6
"""How far the next tile is, in sides: a face of up to 0.4 of a tile is whole in one of them."""
TILE_RATIO = 2.0
MIN_TILE = 96
"""Pixels: such a tile shows faces of 20 pixels."""
MAX_TILES = 450
"""Of one level, 0.7 s; faces that need more are left to others."""

_STRIDES = ((8, 2), (16, 6))
"""Pixels between anchors, and how many are at one place (face_detection_short_range.pbtxt of MediaPipe)."""


def _anchors() -> NDArray[np.float32]:
    """Return the middles of all anchors, shape (896, 2), 0 to 1."""
    places = []
    for stride, copies in _STRIDES:
        middles = (np.arange(INPUT_SIDE // stride, dtype=np.float32) + 0.5) * stride / INPUT_SIDE
        y, x = np.meshgrid(middles, middles, indexing="ij")
        places.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), copies, axis=0))
    return np.concatenate(places)


_ANCHORS = _anchors()


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where a face may be."""

    square: Square
    """Around it from the brows to the chin, turned so that the eyes are level in it."""
    score: float
    """0 to 1."""


class Detector:
    """MediaPipe's short-range face detector.

    Raises:
        Unavailable: the model's file is not in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._network = Network(folder / DETECTOR)

    def scan(self, levels: Levels, angle: float = 0.0, stop: Event = GO_ON) -> Iterator[list[Proposal]]:
        """Look at the whole picture turned by `angle`, then at smaller and smaller tiles; yield what each level shows.

        Lazy, so that whoever has found enough need not look closer.

        Raises:
            Stopped: the event was set; it is looked at before each tile.
        """
        for tiles in _tilings(*levels.size):
            found: list[Proposal] = []
            for x, y, side in tiles:
                check(stop)
                found += self._look(levels, Square(x, y, side, angle))
            yield _distinct(found)

    def _look(self, levels: Levels, square: Square) -> list[Proposal]:
        outputs = self._network.run(levels.crop(square, INPUT_SIDE), scale=1 / 127.5, mean=127.5)
        logits = outputs["classificators"].ravel()
        sure = np.flatnonzero(logits >= math.log(MIN_SCORE / (1 - MIN_SCORE)))
        values = outputs["regressors"].reshape(-1, 16)[sure] / INPUT_SIDE
        points = values.reshape(-1, 8, 2)
        points[:, 0] += _ANCHORS[sure]
        points[:, 2:] += _ANCHORS[sure, None]
        return [
            Proposal(_square(square.to_picture(face, 1), face[1, 0] * square.side), score)
            for face, score in zip(points, (1 / (1 + np.exp(-logits[sure]))).tolist(), strict=True)
        ]


def _square(points: NDArray[np.float32], side: float) -> Square:
    """Return the square of the middle and six points of a face, of which the third and the fourth are the eyes."""
    (x, y), across = points[0], points[3] - points[2]
    return Square(float(x), float(y), float(side), math.atan2(float(across[1]), float(across[0])))


def _tilings(width: int, height: int) -> Iterator[list[tuple[float, float, float]]]:
    """Yield for each level the middles and sides of the tiles that cover a picture."""
    longer = max(width, height)
    yield [(width / 2, height / 2, float(longer))]
    side = longer / TILE_RATIO
    while side >= MIN_TILE:
        across, down = _middles(width, side), _middles(height, side)
        if len(across) * len(down) > MAX_TILES:
            return
        yield [(x, y, side) for y in down for x in across]
        side /= TILE_RATIO


def _middles(length: int, side: float) -> list[float]:
    if length <= side:
        return [length / 2]
    count = math.ceil((length - side) / (side * TILE_STEP)) + 1
    return [float(middle) for middle in np.linspace(side / 2, length - side / 2, count)]


def _distinct(proposals: list[Proposal]) -> list[Proposal]:
    """Keep the surest of those that overlap (non-maximum suppression)."""
    kept: list[Proposal] = []
    for proposal in sorted(proposals, key=lambda each: -each.score):
        if all(overlap(proposal.square, other.square) <= MAX_OVERLAP for other in kept):
            kept.append(proposal)
    return kept


def overlap(one: Square, other: Square) -> float:
    """Return the intersection over union of two squares as if they were upright."""
    reach = (one.side + other.side) / 2
    smaller = min(one.side, other.side)
    width = min(max(reach - abs(one.x - other.x), 0.0), smaller)
    height = min(max(reach - abs(one.y - other.y), 0.0), smaller)
    shared = width * height
    return shared / (one.side**2 + other.side**2 - shared)
