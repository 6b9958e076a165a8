"""Samples in two forms: int16 as they travel, float32 in [-1, 1] as they are worked on.

Both conversions use 32768, a power of two, so int16 → float32 → int16 returns every one of the 65,536 values
unchanged. The price is the positive end: 1.0 would be 32768 and clips to 32767.
"""

from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from app.errors import InvalidAudio

Samples: TypeAlias = npt.NDArray[np.float32]
"""float32 in [-1, 1], shape `(n,)` unless a docstring says otherwise."""
Pcm: TypeAlias = npt.NDArray[np.int16]
"""int16, shape `(n,)`."""

SCALE = 32768.0
SAMPLE_BYTES = 2


class Encoding(StrEnum):
    """How one little-endian sample is packed into bytes."""

    U8 = "u8"
    S16 = "s16"
    S24 = "s24"
    S32 = "s32"
    F32 = "f32"
    F64 = "f64"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return int(self.value[1:]) // 8


def to_float32(pcm: Pcm) -> Samples:
    """Divide int16 by 32768: float32 in [-1, 1), same shape."""
    return pcm.astype(np.float32) / np.float32(SCALE)


def to_int16(samples: npt.NDArray[np.floating[Any]]) -> Pcm:
    """Multiply by 32768, round half to even, clip to int16; same shape.

    Values beyond [-1, 1] clip, infinities included; NaN becomes 0.
    """
    scaled: Samples = np.rint(tame(samples) * np.float32(SCALE))
    return scaled.clip(max=32767).astype(np.int16)


def from_bytes(data: bytes) -> Pcm:
    """View int16 little-endian bytes as int16, shape `(len(data) / 2,)`; read-only, no copy.

    Raises:
        InvalidAudio: an odd number of bytes.
    """
    if len(data) % SAMPLE_BYTES:
        raise InvalidAudio(f"pcm has {len(data)} bytes: an int16 sample takes 2", field="audio")
    return np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)


def to_bytes(pcm: Pcm) -> bytes:
    """Pack int16 as little-endian bytes, two for each sample."""
    return pcm.astype("<i2", copy=False).tobytes()


def unpack(data: bytes | memoryview, encoding: Encoding) -> Samples:
    """Read packed samples as float32 in [-1, 1], shape `(n,)`, channels still interleaved.

    A full-scale negative integer is exactly -1. Floats beyond [-1, 1] clip; NaN becomes 0. `data` must hold whole
    samples.
    """
    match encoding:
        case Encoding.U8:
            return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
        case Encoding.S16:
            return to_float32(np.frombuffer(data, "<i2"))
        case Encoding.S24:
            return _unpack_24_bits(data)
        case Encoding.S32:
            return (np.frombuffer(data, "<i4") / 2.0**31).astype(np.float32)
        case _:
            return tame(np.frombuffer(data, f"<{encoding[0]}{encoding.sample_bytes}"))


def tame(samples: npt.NDArray[np.floating[Any]]) -> Samples:
    """Bring floats of any origin to finite float32 in [-1, 1], same shape: clip, NaN becomes 0."""
    finite: npt.NDArray[np.floating[Any]] = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return finite.clip(-1.0, 1.0).astype(np.float32, copy=False)


def _unpack_24_bits(data: bytes | memoryview) -> Samples:
    packed = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(packed), 4), np.uint8)
    wide[:, 1:] = packed  # the three bytes as the upper ones of an int32 keep the sign
    return (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
