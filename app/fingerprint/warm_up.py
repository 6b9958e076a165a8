"""Uses every kernel once, with the types with which it will be used, so that afterwards none is compiled any more.

    python -m app.fingerprint.warm_up

as a program compiles them for other processes to come, which then only load what it has kept: of 30 s that is 2.
"""

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.audio.pcm import Samples
from app.fingerprint.duplicates import likenesses
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.identifier import look
from app.fingerprint.index import Index
from app.fingerprint.kernel import Kernel
from app.fingerprint.kernel_files import Completeness
from app.fingerprint.recognizer import Recognizer
from app.fingerprint.spectrum import SAMPLE_RATE

SECONDS: Final = 12
"""Of each piece, which is enough for excerpts of it to be found."""
NOTES_PER_SECOND: Final = 12
FASTER: Final = 1.02


def kernels() -> list[Kernel[..., Any]]:
    """Return all kernels of recognition."""
    rooms = [module for name, module in sys.modules.items() if name.startswith(f"{__package__}.")]
    return [one for room in rooms for one in vars(room).values() if isinstance(one, Kernel)]


def completeness() -> Completeness:
    """Return what knows whether they are compiled."""
    return Completeness(kernels(), Path(__file__))


def warm_up(stop: threading.Event | None = None) -> None:
    """Take tracks in, merge them, hear a stream and a recording, compare two tracks.

    It blocks for a second or two; where nothing is kept, or nothing can be, for half a minute. Told to stop, it leaves
    at its next step, with some kernels cold.
    """
    with tempfile.TemporaryDirectory() as folder:
        for step in _steps(Index(Path(folder))):
            step()
            if stop is not None and stop.is_set():
                return
    completeness().note()


def _steps(index: Index) -> list[Callable[[], object]]:
    first, second, third = (_music(number) for number in range(3))
    faster = np.interp(np.arange(0, len(first), FASTER), np.arange(len(first)), first).astype(np.float32)
    return [
        lambda: _take_in(index, 0, first),
        lambda: _take_in(index, 1, second),
        index.merge,  # so that there are tracks of a snapshot, and others
        lambda: _take_in(index, 2, first),
        lambda: index.remove(1),
        lambda: _listen(index, np.concatenate((second, first))),
        lambda: look(index.view(), third),
        lambda: look(index.view(), faster),
        lambda: likenesses(index.view(), 0),
        index.merge,
        lambda: _listen(index, first),
        index.close,
    ]


def _take_in(index: Index, track_id: int, samples: Samples) -> None:
    index.add(track_id, fingerprint(samples, sample_rate=SAMPLE_RATE))


def _listen(index: Index, samples: Samples) -> None:
    recognizer = Recognizer(index, sample_rate=2 * SAMPLE_RATE)
    twice = np.repeat(samples, 2)
    for start in range(0, len(twice), SAMPLE_RATE):
        recognizer.push(twice[start : start + SAMPLE_RATE])


def _music(number: int) -> Samples:
    """Make notes of no song, at the rate at which sound is analysed."""
    rng = np.random.default_rng(number)
    sound = np.zeros(SECONDS * SAMPLE_RATE, np.float32)
    seconds = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    for at in rng.integers(0, len(sound) - len(seconds), SECONDS * NOTES_PER_SECOND):
        hz = 110 * 2 ** (rng.integers(0, 48) / 12)
        sound[at : at + len(seconds)] += (np.sin(2 * np.pi * hz * seconds) * np.exp(-6 * seconds)).astype(np.float32)
    return sound / np.float32(8)


if __name__ == "__main__":
    warm_up()
