"""The chain of detectors: the quick one, the mesh on everything, Haar, and at last a guess that says that it is one.

Whatever proposes, the mesh decides: a proposal in which it sees no face is none. Only where the models of the set-up
are missing are Haar's own boxes taken, with a mean shape in them that is marked as rough.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Protocol

import cv2

from app.errors import ChorusError
from app.lipsync.crop import Levels, Square
from app.lipsync.faces.detector import Detector, Proposal, overlap
from app.lipsync.faces.face import Face
from app.lipsync.faces.face_shape import rough_face
from app.lipsync.faces.haar import Haar
from app.lipsync.faces.mesh import MARGIN, Mesh, around
from app.lipsync.handover import GO_ON, check
from app.lipsync.picture import Picture

TURNS = (0.0, math.pi / 2, -math.pi / 2, math.pi)
HAAR_MARGIN = 2.0
"""A crop around Haar's proposal is larger, because its place is less sure."""
FOLLOWING_PASSES = 2
"""Of the mesh, whose crop is where the face was a frame ago."""
SAME_FACE = 0.3
"""Intersection over union from which two faces are one."""


class FirstFinder(Protocol):
    """Another finder, such as `FaceAlignmentFinder`."""

    def find(self, picture: Picture) -> list[Face]:
        """Return all faces, the largest first."""
        ...


class Finder:
    """Finds faces by all that is there.

    Args:
        folder: of the models, `MODELS_DIR/faces`; without them `is_rough` and all faces are.
        first: is asked before our own detectors; the mesh then measures what it has found.
    """

    def __init__(self, folder: Path, *, first: FirstFinder | None = None) -> None:
        cv2.setNumThreads(1)
        self._first = first
        self._haar = Haar()
        self._detector: Detector | None = None
        self._mesh: Mesh | None = None
        self.missing: str | None = None
        """Why faces are only roughly found; None: they are not."""
        try:
            self._detector, self._mesh = Detector(folder), Mesh(folder)
        except ChorusError as error:
            self.missing = str(error)

    def find(self, picture: Picture, stop: Event = GO_ON) -> list[Face]:
        """Return all faces, the largest first; none: an empty list.

        Raises:
            Stopped: the event was set.
        """
        levels = Levels(picture.pixels)
        if self._first is not None and (faces := self._first.find(picture)):
            return [self._measured(levels, face) for face in faces]
        if self._detector is None or self._mesh is None:
            return [rough_face(square) for square in self._haar.propose(levels)]
        for squares, margin in self._proposals(levels, self._detector, stop):
            check(stop)
            measured = (self._mesh.measure(levels, square, margin=margin) for square in squares)
            faces = _distinct(face for face in measured if face is not None)
            if faces:
                return faces
        return []

    def follow(self, picture: Picture, face: Face) -> Face | None:
        """Return a face in the next frame of its film; None: it is not seen any more.

        Without the models of the set-up it is where Haar proposes one nearest to it.
        """
        levels, before = Levels(picture.pixels), around(face.landmarks)
        if self._mesh is not None:
            return self._mesh.measure(levels, before, passes=FOLLOWING_PASSES)
        near = [each for each in self._haar.propose(levels) if overlap(each, before) > SAME_FACE]
        return max(
            (rough_face(each) for each in near), key=lambda each: overlap(around(each.landmarks), before), default=None
        )

    def _measured(self, levels: Levels, face: Face) -> Face:
        measured = self._mesh.measure(levels, around(face.landmarks)) if self._mesh else None
        return measured or face

    def _proposals(self, levels: Levels, detector: Detector, stop: Event) -> Iterator[tuple[Iterable[Square], float]]:
        """Yield ever dearer proposals, with the margin that the mesh needs around them.

        The whole picture is looked at with its tiles at once, so that of several people none is missed who is half as
        large as the next.
        """
        upright = detector.scan(levels, stop=stop)
        turned = [detector.scan(levels, angle, stop) for angle in TURNS[1:]]
        whole, quarters = next(upright), next(upright, [])
        yield _squares(whole, quarters, *map(next, turned)), MARGIN
        yield _squares(*(next(scan, []) for scan in turned)), MARGIN
        for proposals in upright:
            yield _squares(proposals), MARGIN
        width, height = levels.size
        yield [Square(width / 2, height / 2, float(max(width, height)), angle) for angle in TURNS], 1.0
        for angle in TURNS:
            yield self._haar.propose(levels, [angle]), HAAR_MARGIN


def _squares(*levels: list[Proposal]) -> list[Square]:
    return [proposal.square for proposals in levels for proposal in proposals]


def _distinct(faces: Iterable[Face]) -> list[Face]:
    """Keep the surest of those that are the same face, the largest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda each: -each.score):
        square = around(face.landmarks)
        if all(overlap(square, around(other.landmarks)) <= SAME_FACE for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda each: -each.area)
