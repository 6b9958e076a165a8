"""Which picture of a film is shown when, for as long as somebody speaks.

A film that is shorter than the sound is played forth and back. Upstream begins it again, and the head jumps each time
to where it was at first; backwards it comes there by itself, and what a head does while it speaks looks the same in
both directions. One that is longer ends with the sound, as upstream's does.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256
_EARLY = 1e-6
"""Seconds: a picture that begins with a frame is in it, whatever rounding says."""


def numbers(times: NDArray[np.float64], duration: float, fps: float) -> Iterator[int]:
    """Yield, without end, the number of the picture in each frame.

    Args:
        times: seconds at which pictures are shown, from 0, ascending; need not be even.
        duration: seconds of the film.
        fps: frames a second of what is played.
    """
    frame = 0
    while True:
        for place in _places(times, duration, np.arange(frame, frame + _BLOCK) / fps):
            yield int(place)
        frame += _BLOCK


def _places(times: NDArray[np.float64], duration: float, seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    phase = np.mod(seconds, 2 * duration)
    is_back = phase >= duration - _EARLY
    forth = np.searchsorted(times, phase + _EARLY, side="right") - 1
    # Backwards each picture is shown for as long as forwards: the one that begins before the mirrored time ends.
    back = np.searchsorted(times, 2 * duration - phase - _EARLY, side="left") - 1
    return np.clip(np.where(is_back, back, forth), 0, len(times) - 1)
