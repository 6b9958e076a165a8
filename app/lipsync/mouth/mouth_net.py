"""A small network that hears how a mouth is held, for speech whose phonemes nobody knows.

One convolution over the mel spectrum and four residual ones with growing gaps, all in NumPy. `scripts/train_mouth.py`
made its weights from nothing but speech of the embedded voice and that speech's own phonemes. There is nothing before
and after a sound but silence.
"""

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.lipsync.mel import BANDS, SILENCE, Mel

DILATIONS: Final = (1, 1, 2, 4, 8)
"""Columns between what each layer looks at, from the first."""
CONTEXT: Final = sum(DILATIONS)
"""Columns to both sides that a column of the result depends on: 16, which is 0.2 s."""
WIDTH: Final = 64
CHANNELS: Final = 4
"""Open, wide, upper; and whether the lips meet."""

_BATCH = 400
"""Columns at a time, which bounds the memory."""
_WEIGHTS = Path(__file__).with_name("mouth_net.npz")

Array = NDArray[np.float32]


class Layer(NamedTuple):
    """A convolution of three columns, or of one."""

    weight: Array
    """Shape (3 * from, to): of the column before, of this one, of the one after."""
    bias: Array


class MouthNet:
    """The network at one sound, as it arrives. Memory: what is pushed at once, and 32 columns."""

    def __init__(self) -> None:
        self._layers = _trained()
        self._waiting: Mel = np.full((CONTEXT, BANDS), SILENCE, np.float32)

    def push(self, mel: Mel) -> Array:
        """Take the next columns and return what is heard, shape (n, 4), one row a column, `CONTEXT` columns later.

        Open, wide and upper as in a `MouthTrack`, and how likely it is, 0 to 1, that the lips meet.
        """
        self._waiting = np.concatenate((self._waiting, mel))
        parts = [np.empty((0, CHANNELS), np.float32)]
        while len(self._waiting) > 2 * CONTEXT:
            parts.append(activated(run(self._waiting[: _BATCH + 2 * CONTEXT], self._layers)))
            self._waiting = self._waiting[min(_BATCH, len(self._waiting) - 2 * CONTEXT) :]
        self._waiting = self._waiting.copy()
        return np.concatenate(parts)

    def finish(self) -> Array:
        """Return the last rows: as many as there were columns."""
        return self.push(np.full((CONTEXT, BANDS), SILENCE, np.float32))


def run(mel: Array, layers: tuple[Layer, ...]) -> Array:
    """Return what the network says, shape (..., n - 2 * `CONTEXT`, CHANNELS), before `activated`."""
    first, *residual = zip(layers[:-1], DILATIONS, strict=True)
    values = np.maximum(convolved(mel, *first), 0)
    for layer, dilation in residual:
        values = values[..., dilation:-dilation, :] + np.maximum(convolved(values, layer, dilation), 0)
    return values @ layers[-1].weight + layers[-1].bias


def convolved(values: Array, layer: Layer, dilation: int) -> Array:
    """Return a convolution of three columns so far apart, where all three are there."""
    return side_by_side(values, dilation) @ layer.weight + layer.bias


def side_by_side(values: Array, dilation: int) -> Array:
    """Return each column with the one before and the one after it: shape (..., n - 2 * dilation, 3 * channels)."""
    count = values.shape[-2] - 2 * dilation
    return np.concatenate([values[..., start : start + count, :] for start in (0, dilation, 2 * dilation)], axis=-1)


def activated(said: Array) -> Array:
    """Return the same in the ranges of a mouth."""
    opened, upper, meets = (_sigmoid(said[..., channel]) for channel in (0, 2, 3))
    return np.stack((opened, np.tanh(said[..., 1]), upper, meets), -1)


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values), np.float32)


@cache
def _trained() -> tuple[Layer, ...]:
    with np.load(_WEIGHTS) as stored:
        return tuple(
            Layer(stored[f"weight{number}"].astype(np.float32), stored[f"bias{number}"].astype(np.float32))
            for number in range(len(DILATIONS) + 1)
        )
