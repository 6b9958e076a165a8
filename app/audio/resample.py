"""Another sample rate for the same sound, whole or as it arrives, through soxr."""

from enum import StrEnum
from typing import TypeVar, cast

import numpy as np
import soxr  # type: ignore[import-untyped]  # 1.1 ships stubs of its extension, but no py.typed

from app.audio.pcm import Pcm, Samples, to_float32, to_int16

SignalT = TypeVar("SignalT", bound=Pcm | Samples)


class ResampleQuality(StrEnum):
    """soxr's recipes, from the cheapest to the most exact."""

    QUICK = "QQ"
    """Cubic interpolation."""
    LOW = "LQ"
    """16 bits with a wide transition band."""
    HIGH = "HQ"
    """20 bits; what soxr itself takes by default."""
    VERY_HIGH = "VHQ"
    """28 bits."""


class Resampler:
    """Resample one mono stream that arrives in pieces, all int16 or all float32; rates in Hz.

    The pieces that come out, concatenated, equal `resample` of the whole, however the stream was cut.
    soxr holds back up to some 1,200 samples until it sees what follows; `last=True` brings them out.

    int16 goes through float32: soxr dithers int16, which makes noise of digital silence and depends on the cuts.
    """

    def __init__(self, *, from_rate: int, to_rate: int, quality: ResampleQuality = ResampleQuality.HIGH) -> None:
        self._stream: soxr.ResampleStream | None = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(from_rate, to_rate, 1, "float32", str(quality))

    def push(self, samples: SignalT, *, last: bool = False) -> SignalT:
        """Return what is ready after `samples`; both have shape `(n,)` and the same dtype.

        After `last=True` nothing more may be pushed. Equal rates return `samples` itself.

        Raises:
            TypeError: neither int16 nor float32, at different rates.
            RuntimeError: pushed after the last piece.
        """
        if self._stream is None:
            return samples
        if samples.dtype == np.int16:
            floats = self._stream.resample_chunk(to_float32(cast(Pcm, samples)), last=last)
            return cast(SignalT, to_int16(floats))
        return cast(SignalT, self._stream.resample_chunk(samples, last=last))


def resample(
    samples: SignalT, *, from_rate: int, to_rate: int, quality: ResampleQuality = ResampleQuality.HIGH
) -> SignalT:
    """Resample a whole mono signal, int16 or float32, shape `(n,)`; rates in Hz.

    The result has the same dtype and `n * to_rate / from_rate` samples, rounded. A float32 signal may overshoot
    [-1, 1] a little at steep edges; int16 clips. Equal rates return `samples` itself.

    Raises:
        TypeError: neither int16 nor float32, at different rates.
        ValueError: a rate of zero or less, at different rates.
    """
    return Resampler(from_rate=from_rate, to_rate=to_rate, quality=quality).push(samples, last=True)
