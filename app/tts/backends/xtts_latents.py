"""Reference recordings, and what the model makes of them, kept beside them. Runs in the worker process.

A recording `anna.wav`, or `anna.female.wav` where the gender should be known, is the speaker `anna`. Her latents take
seconds to compute and are kept in `anna.KEY.npz`; KEY is a hash of the recording's bytes and of the model, so another
recording, or another model, never gets old latents.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from app.tts.backends.xtts_messages import Fault, Speaker

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
GENDERS = (".female", ".male", ".neutral")


class Latents(NamedTuple):
    """A voice as the model knows it."""

    conditioning: npt.NDArray[np.float32]
    """(1, t, width of the model)."""
    embedding: npt.NDArray[np.float32]
    """(1, 512, 1)."""


class Reference(NamedTuple):
    """A recording of a speaker."""

    speaker: Speaker
    path: Path


def references(folder: Path) -> Mapping[str, Reference]:
    """Return the recordings of a folder by the names of their speakers, in alphabetical order; none if it is absent."""
    found: dict[str, Reference] = {}
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        if path.suffix.lower() in SUFFIXES and path.is_file():
            gender = Path(path.stem).suffix.lower()
            known = gender in GENDERS
            name = path.stem[: -len(gender)] if known else path.stem
            found[name] = Reference(Speaker(name, gender[1:] if known else "neutral"), path)
    return found


class LatentCache:
    """Latents in memory and beside the recordings.

    `model` is a hash of what computes them.
    """

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._held: dict[Path, tuple[tuple[int, int], Latents]] = {}

    def get(self, reference: Reference, compute: Callable[[Path], Latents]) -> Latents:
        """Return the latents of a recording, computed only if they have not been before.

        Raises:
            Fault: the file cannot be read, or whatever `compute` raises.
        """
        try:
            status = reference.path.stat()
            version = (status.st_mtime_ns, status.st_size)
            held = self._held.get(reference.path)
            if held is None or held[0] != version:
                key = hashlib.sha256(reference.path.read_bytes() + self._model).hexdigest()[:16]
                self._held[reference.path] = held = version, self._obtain(reference, key, compute)
        except OSError as error:
            raise Fault(f"the recording {reference.path} cannot be read ({error.strerror}): put it back") from error
        return held[1]

    def _obtain(self, reference: Reference, key: str, compute: Callable[[Path], Latents]) -> Latents:
        file = reference.path.with_name(f"{reference.speaker.name}.{key}.npz")
        with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile):  # absent or damaged: computed anew
            return _load(file)
        latents = compute(reference.path)
        try:
            _keep(latents, file)
        except OSError as error:
            print(f"latents of {reference.speaker.name} cannot be kept: {error}", file=sys.stderr)
        return latents


def _load(file: Path) -> Latents:
    with file.open("rb") as source, np.load(source, allow_pickle=False) as stored:
        return Latents(stored["conditioning"], stored["embedding"])


def _keep(latents: Latents, file: Path) -> None:
    """Write the file whole or not at all, and remove those of older recordings of the speaker."""
    unfinished = file.with_suffix(".part")
    with unfinished.open("wb") as sink:
        np.savez(sink, conditioning=latents.conditioning, embedding=latents.embedding)
    os.replace(unfinished, file)
    name, _, _ = file.stem.rpartition(".")
    for other in file.parent.iterdir():
        if other != file and other.suffix == ".npz" and other.stem.rpartition(".")[0] == name:
            other.unlink(missing_ok=True)
