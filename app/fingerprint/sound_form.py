"""The form in which the audio of a live stream comes, and its way to samples."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.audio.pcm import Encoding, Samples, to_float32
from app.errors import InvalidAudio, InvalidInput

MIN_RATE: Final = 8_000
"""Hz; telephone."""
MAX_RATE: Final = 96_000
ENCODINGS: Final = (Encoding.F32, Encoding.S16)
LOUDEST: Final = 65_536.0
"""Floats beyond are not audio: bytes of something else, read as floats, are seldom smaller. Some clients send floats of
the size of 16-bit integers, and loudness does not matter here; squares of these are far from the end of float32."""


@dataclass(frozen=True, slots=True)
class SoundForm:
    """Little-endian mono samples.

    Raises:
        InvalidInput: a rate or an encoding that is not taken.
    """

    sample_rate: int = 22_050
    """Hz."""
    encoding: Encoding = Encoding.F32

    def __post_init__(self) -> None:
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise InvalidInput(f"sample_rate {self.sample_rate} must be {MIN_RATE} to {MAX_RATE}", field="sample_rate")
        if self.encoding not in ENCODINGS:
            raise InvalidInput(f"encoding '{self.encoding}' must be f32 or s16", field="encoding")

    @property
    def bytes_per_second(self) -> int:
        """Of a stream in real time."""
        return self.sample_rate * self.encoding.sample_bytes

    def count(self, data: bytes) -> int:
        """Return how many samples these bytes have.

        Raises:
            InvalidAudio: the last one is not whole.
        """
        samples, rest = divmod(len(data), self.encoding.sample_bytes)
        if rest:
            raise InvalidAudio(f"{len(data)} bytes: a sample has {self.encoding.sample_bytes}")
        return samples

    def samples(self, data: bytes) -> Samples:
        """Return the samples of bytes that `count` accepts.

        Raises:
            InvalidAudio: one that is NaN, infinite or beyond ±`LOUDEST`.
        """
        if self.encoding is Encoding.S16:
            return to_float32(np.frombuffer(data, "<i2"))
        samples = np.frombuffer(data, "<f4").astype(np.float32, copy=False)
        # NaN makes both comparisons false.
        if samples.size and not (samples.max() <= LOUDEST and samples.min() >= -LOUDEST):
            raise InvalidAudio("samples must be finite floats, in [-1, 1] by custom")
        return samples
