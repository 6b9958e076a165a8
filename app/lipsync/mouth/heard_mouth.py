"""The mouth of any speech, from how it sounds: what the network hears, with a share of what the signal itself tells.

A frame is of the middle of the time for which it is seen, 20 ms after its beginning at 25 frames a second.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.audio.pcm import Samples
from app.audio.resample import Resampler
from app.lipsync.mel import COLUMNS_PER_SECOND, SAMPLE_RATE, Mel, MelStream
from app.lipsync.mouth.mouth_net import MouthNet
from app.lipsync.mouth.mouth_signal import MouthSignal

Rows = NDArray[np.float32]
"""Shape (n, 3), rows of a `MouthTrack`."""

NET_SHARE: Final = 0.7
UNSURE: Final = 0.15
"""How far from certain the network may be that lips meet, or that they do not."""

SURE: Final = 0.95
"""How certain it must be that lips meet, for them to do so a column earlier and later too: 38 ms in all, about a frame.
Without it a frame in four at the pace of a live chat falls beside the moment. Held where the network is less sure, or
for longer, lips agree less with what is said: correlation falls below 0.7."""

_SMOOTH: NDArray[np.float64] = np.hanning(7)[1:-1] / np.hanning(7).sum()
"""Over 62 ms."""
_KEPT = 6
"""Columns before and after a voice for which it keeps the mouth from closing, and over which it then closes: 75 ms."""


class HeardMouth:
    """The mouth of one sound, as it arrives. Memory: what is pushed at once, and a second.

    Args:
        sample_rate: Hz of what is pushed.
        fps: frames a second; frame i is of the time (i + 0.5) / fps.
        smooth: whether the trembling of what is heard is smoothed away.
    """

    def __init__(self, sample_rate: int, fps: float, *, smooth: bool = True) -> None:
        self._resampler = Resampler(from_rate=sample_rate, to_rate=SAMPLE_RATE)
        self._mel = MelStream()
        self._net, self._signal = MouthNet(), MouthSignal()
        self._told = np.empty((0, 4), np.float32)
        self._near = _Window(1)
        self._gate = _Window(2 * _KEPT)
        self._smoother = _Window(len(_SMOOTH) // 2 if smooth else 0)
        self._sampler = _Sampler(fps)

    def push(self, samples: Samples) -> Rows:
        """Take the next samples and return the frames that are decided, 0.4 s before the end of the samples.

        Raises:
            InvalidAudio: a sample is not a finite number.
        """
        return self._hear(self._mel.push(self._resampler.push(samples)))

    def finish(self, frames: int) -> Rows:
        """Return the last frames, so many in all, and the mouth closed where there is no sound any more.

        Raises:
            InvalidAudio: there were no samples at all.
        """
        rest = self._mel.push(self._resampler.push(np.empty(0, np.float32), last=True))
        mel = np.concatenate((rest, self._mel.finish()))
        return np.concatenate((self._hear(mel, last=True), self._sampler.finish(frames)))

    def _hear(self, mel: Mel, *, last: bool = False) -> Rows:
        told = self._signal.push(mel)
        self._told = np.concatenate((self._told, np.column_stack((told.rows, told.voice))))
        heard = self._net.push(mel)
        if last:
            heard = np.concatenate((heard, self._net.finish()))
        heard = _held(self._near.push(heard, last=last))
        rows, self._told = _blended(heard, self._told[: len(heard)]), self._told[len(heard) :]
        rows = _gated(self._gate.push(rows, last=last))
        rows = _smoothed(self._smoother.push(rows, last=last), self._smoother.half)
        return self._sampler.push(rows)


class _Window:
    """Gives rows with `half` rows around them, zeros before the first and after the last."""

    def __init__(self, half: int) -> None:
        self.half = half
        self._held: NDArray[np.float32] | None = None

    def push(self, rows: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        """Return the rows that are complete, `half` rows before them and `half` behind them."""
        edge = np.zeros((self.half, rows.shape[1]), np.float32)
        held = np.concatenate((edge if self._held is None else self._held, rows, *([edge] if last else [])))
        self._held = held[max(len(held) - 2 * self.half, 0) :].copy()
        return held


class _Sampler:
    """Rows at the columns' rate to rows of frames."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._rows = np.empty((0, 3), np.float32)
        self._first = 0
        """Number of the first column that is held."""
        self._given = 0

    def push(self, rows: Rows) -> Rows:
        """Return the frames between these columns."""
        self._rows = np.concatenate((self._rows, rows))
        last = (self._first + len(self._rows) - 1) / COLUMNS_PER_SECOND
        return self._take(int(np.floor(last * self._fps - 0.5)) + 1)

    def finish(self, frames: int) -> Rows:
        """Return frames up to this number; there is silence behind the last column."""
        missing = int(np.ceil(frames / self._fps * COLUMNS_PER_SECOND)) + 2
        self._rows = np.pad(self._rows, ((0, max(missing - self._first - len(self._rows), 0)), (0, 0)))
        return self._take(frames)

    def _take(self, upto: int) -> Rows:
        numbers = np.arange(self._given, max(upto, self._given))
        places = (numbers + 0.5) / self._fps * COLUMNS_PER_SECOND - self._first
        before = np.floor(places).astype(int)
        share = (places - before)[:, None].astype(np.float32)
        rows = self._rows[before] * (1 - share) + self._rows[np.minimum(before + 1, len(self._rows) - 1)] * share
        self._given += len(numbers)
        gone = max(int((self._given + 0.5) / self._fps * COLUMNS_PER_SECOND) - self._first, 0)
        gone = min(gone, len(self._rows))
        self._rows, self._first = self._rows[gone:].copy(), self._first + gone
        return np.asarray(rows, np.float32)


def _held(around: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is heard of columns with one before and one after them; lips that surely meet are held."""
    heard = around[1:-1].copy()
    if len(heard):
        near = np.lib.stride_tricks.sliding_window_view(around[:, 3], 3).max(axis=1)
        heard[:, 3] = np.where(near >= SURE, near, heard[:, 3])
    return heard


def _blended(heard: NDArray[np.float32], told: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows with the voice as a fourth column; lips that meet are closed, whatever the signal tells."""
    rows: Rows = NET_SHARE * heard[:, :3] + (1 - NET_SHARE) * told[:, :3]
    rows[:, 0] *= np.clip((1 - heard[:, 3] - UNSURE) / (1 - 2 * UNSURE), 0, 1)
    return np.column_stack((rows, told[:, 3]))


def _gated(held: NDArray[np.float32]) -> NDArray[np.float32]:
    """Close the mouth where there is no voice near."""
    if len(held) <= 4 * _KEPT:
        return np.empty((0, 3), np.float32)
    width = 2 * _KEPT + 1
    near = np.lib.stride_tricks.sliding_window_view(held[:, 3], width).max(axis=1)
    gate = np.lib.stride_tricks.sliding_window_view(near, width).mean(axis=1)
    return np.asarray(held[2 * _KEPT : -2 * _KEPT, :3] * gate[:, None], np.float32)


def _smoothed(held: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    if half == 0:
        return held
    if len(held) <= 2 * half:
        return np.empty((0, 3), np.float32)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(held, 2 * half + 1, axis=0) @ _SMOOTH, np.float32)
