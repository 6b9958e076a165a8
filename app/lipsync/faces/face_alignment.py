"""Faces by the `face-alignment` package: S3FD proposes them, FAN measures 68 points. Optional, and slow on processors.

The package is in the extra `face-alignment`; its weights are not fetched at run time but by
`scripts/download_models face-alignment`, into `MODELS_DIR/faces`.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import Corrupt, Unavailable
from app.lipsync.faces.face import Face, box_of
from app.lipsync.faces.face_shape import bent_to
from app.lipsync.picture import Picture

DETECTOR = "s3fd-619a316812.pth"
POINTS = "2DFAN4-11f355bf06.pth.tar"
"""The names hold the first digits of the files' SHA-256, as PyTorch's hub wants it."""

# fmt: off
MESH_NUMBERS = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # the jaw
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # the brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # the nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # the eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # the lips outside
    78, 82, 13, 312, 308, 317, 14, 87,  # and inside
])
# fmt: on
"""Of the 68 points (iBUG 300-W) the numbers in the mesh that lie at the same places."""


class FaceAlignmentFinder:
    """S3FD and FAN-4.

    Args:
        folder: of the weights.
        device: as PyTorch calls it; auto: the first GPU, or the processor where there is none.

    Raises:
        Unavailable: the package or its weights are missing.
        Corrupt: a file of weights is not what its name says.
    """

    def __init__(self, folder: Path, *, device: str = "auto") -> None:
        if trouble := missing(folder):
            raise Unavailable(trouble)
        for name in (DETECTOR, POINTS):
            _check(folder / name)
        self._network = _load(folder, device)
        self._lock = Lock()

    def find(self, picture: Picture) -> list[Face]:
        """Return all faces, the largest first."""
        rgb = np.ascontiguousarray(picture.pixels[:, :, ::-1])
        with self._lock:
            boxes = self._network.face_detector.detect_from_image(rgb)
            points = self._network.get_landmarks_from_image(rgb, detected_faces=boxes) if len(boxes) else []
        faces = [_face(each, float(box[4])) for each, box in zip(points, boxes, strict=True)]
        return sorted(faces, key=lambda face: -face.area)


def missing(folder: Path) -> str | None:
    """Tell what it lacks, as far as is seen without reading its files; None: nothing."""
    if find_spec("face_alignment") is None:
        return "face-alignment is not installed: run `pip install 'chorus-live[face-alignment]'`"
    lacking = [name for name in (DETECTOR, POINTS) if not (folder / name).is_file()]
    return f"there is no {' and no '.join(lacking)}: run `scripts/download_models face-alignment`" if lacking else None


def _face(points: NDArray[np.float32], score: float) -> Face:
    landmarks = bent_to(MESH_NUMBERS, points)
    return Face(landmarks, box_of(landmarks), score)


def _check(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = path.name.split("-")[1].split(".")[0]
    if not digest.startswith(expected):
        raise Corrupt(f"{path.name} is damaged: its sha256 begins with {digest[:10]}, not {expected}")


def _load(folder: Path, device: str) -> Any:
    import torch
    from face_alignment import FaceAlignment, LandmarksType
    from face_alignment.models import FAN

    class Local(FaceAlignment):  # type: ignore[misc, unused-ignore]
        """The package's own class with the one method replaced that downloads."""

        def _load_native(self, _name: str, size: int, where: str, dtype: Any) -> Any:
            network = FAN(size)
            network.load_state_dict(torch.load(folder / POINTS, map_location=where, weights_only=True))
            return network.to(where, dtype=dtype).eval()

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Local(
        LandmarksType.TWO_D,
        device=device,
        flip_input=False,
        face_detector_kwargs={"path_to_detector": str(folder / DETECTOR)},
        compile=False,
    )
