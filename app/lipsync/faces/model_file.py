"""The files of the two networks of the face finder, and how they are known to be right.

Both are MediaPipe's (Apache-2.0), taken by the set-up out of its wheel into `MODELS_DIR/faces`.
"""

import hashlib
from pathlib import Path

from app.errors import Corrupt, Unavailable

DETECTOR = "face_detection_short_range.tflite"
MESH = "face_landmark.tflite"

CHECKSUMS = {
    DETECTOR: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    MESH: "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
}
"""SHA-256 of the files in mediapipe 0.10.14."""


def missing(folder: Path) -> str | None:
    """Tell why faces will only be found roughly, as far as files show that are not read; None: they will not."""
    names = [name for name in CHECKSUMS if not (folder / name).is_file()]
    return (
        f"{' and '.join(names)} missing, without which mouths are guessed: run scripts/face_models" if names else None
    )


def check(data: bytes, name: str) -> None:
    """Make sure that a file is the one of its name that is known.

    Raises:
        Corrupt: it is another.
    """
    digest = hashlib.sha256(data).hexdigest()
    if digest != CHECKSUMS[name]:
        raise Corrupt(f"{name} is not the file of mediapipe 0.10.14: its sha256 is {digest}")


def read_model(path: Path) -> bytes:
    """Return a file.

    Raises:
        Unavailable: it is not there.
        Corrupt: it is another.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Unavailable(f"there is no {path}: scripts/face_models fetches it") from error
    check(data, path.name)
    return data
