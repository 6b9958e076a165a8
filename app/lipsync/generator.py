"""A network with its weights, ready to draw mouths into faces; or the reason why there is none.

The door to everything here that needs torch, which is an extra: this module can be imported without it.
"""

import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Generic, Protocol

import numpy as np
from numpy.typing import NDArray

from app.errors import ChorusError, Unavailable
from app.lipsync.batches import F, Faces, Pixels, distinct
from app.lipsync.networks.libraries import preload
from app.lipsync.networks.plan import SIDE
from app.lipsync.networks.registry import FILES, FOLDER, PLANS, find_checkpoint
from app.lipsync.networks.runtime import Precision, Runtime
from app.lipsync.windows import Windows

logger = logging.getLogger(__name__)

INSTALL = "install the extra `lipsync` (see the README) and restart the server"


class Prepared(Faces, Protocol):
    """What a network knows of faces, to be kept for the next job with the same picture."""

    @property
    def size(self) -> int:
        """Bytes of memory, on the device."""
        ...


class Generator(Generic[F]):
    """Draws the lower part of faces that speak. May be called from many threads."""

    def __init__(self, runtime: Runtime[F]) -> None:
        self.name = runtime.name
        self.device = runtime.device
        self.precision = runtime.precision
        self.first_row = runtime.first_row
        self._runtime = runtime

    @property
    def batch(self) -> int:
        """Frames that are best drawn at once."""
        return self._runtime.batches.largest

    def prepare(self, faces: NDArray[np.uint8]) -> F:
        """Look at one face, for all frames, or at the face of each frame of a batch: uint8 (n, 96, 96, 3), BGR."""
        if faces.shape[1:] != (SIDE, SIDE, 3) or faces.dtype != np.uint8 or len(faces) == 0:
            raise ValueError(f"faces {faces.dtype} {faces.shape}: they must be uint8 (n, {SIDE}, {SIDE}, 3)")
        return self._runtime.prepare(np.ascontiguousarray(faces))

    def draw(self, windows: Windows, faces: F) -> Pixels:
        """Draw frames, with one face for all of them or with one for each.

        Returns:
            The rows from `first_row` on: uint8 (n, 96 - first_row, 96, 3), blue-green-red.

        Raises:
            Overloaded: the memory of the device does not suffice for a single frame.
        """
        if len(windows) == 0:
            return np.empty((0, SIDE - self.first_row, SIDE, 3), np.uint8)
        if faces.part(0, 1) is not faces:
            return self._runtime.batches.draw(windows, faces)
        once, index = distinct(windows)
        return self._runtime.batches.draw(once, faces)[index]


def load(
    models: Path, name: str, *, device: str = "auto", precision: Precision = "auto", threads: int = 1, slots: int = 0
) -> Generator[Prepared]:
    """Load a network; takes a second or two.

    Args:
        models: folder of models; the checkpoint is in its folder `lipsync`.
        name: `wav2lip` or `nota_wav2lip`.
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:1`.
        precision: `auto` takes bfloat16 where it is faster.
        threads: of the CPU for one batch. Threads that wait for each other keep the cores from other work, so several
            jobs side by side on one thread each are better; it holds for all of torch in this process.
        slots: batches that run on the CPU at the same time; 0: one for each core.

    Raises:
        Unavailable: there are no weights, or torch is not installed.
        Corrupt: the weights do not fit. Clients are told what is raised; where files are is in the log alone.
    """
    path = find_checkpoint(models, name)
    if path is None:
        logger.warning("%s has no weights in %s", name, models / FOLDER)
        files = " or ".join(FILES[name])
        raise Unavailable(f"{name} has no weights ({files}): run `scripts/download_models {name}`")
    preload()
    try:
        loading = import_module("app.lipsync.networks.loading")
    except (ImportError, OSError, RuntimeError) as error:  # torch that does not fit the machine: all three
        logger.warning("%s cannot be loaded: %s", name, error)
        raise Unavailable(f"{name} cannot be loaded, because torch cannot: {INSTALL}") from error
    try:
        runtime: Runtime[Prepared] = loading.load(
            path, PLANS[name], device=device, precision=precision, threads=threads, slots=slots
        )
    except ChorusError as error:
        logger.warning("%s cannot be loaded from %s: %s", name, path, error)
        raise
    return Generator(runtime)


def missing(models: Path, names: Sequence[str] = tuple(PLANS)) -> list[str]:
    """Return the networks that have no checkpoint."""
    return [name for name in names if find_checkpoint(models, name) is None]
