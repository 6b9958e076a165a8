"""Sound as it goes over the wire: float32, little-endian, one channel."""

import sys
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of `collections.abc` since Python 3.12

SAMPLE_BYTES: Final = 4
FULL_SCALE: Final = 32768  # of 16 bits


def encode(sound: "Buffer") -> bytes:
    """Return samples as the server takes them.

    Args:
        sound: of one channel, shape `(n,)`: float32 or float64 in [-1, 1], or int16; a numpy array, for example. Bytes
            are taken for what they shall become.

    Raises:
        TypeError: samples of another kind, or no buffer at all.
        ValueError: more than one channel, or a part of a sample.
    """
    view = memoryview(sound)
    if view.ndim != 1:
        raise ValueError(f"samples of the shape {view.shape} must be of one channel, (n,)")
    match view.format:
        case "B":
            if view.nbytes % SAMPLE_BYTES:
                raise ValueError(f"{view.nbytes} bytes must be whole float32 samples, {SAMPLE_BYTES} bytes each")
            return view.tobytes()
        case "<f":
            return view.tobytes()
        case "f" | "d":
            return _little_endian(array("f", view.tolist())) if _must_change(view) else view.tobytes()
        case "h":
            return _little_endian(array("f", [sample / FULL_SCALE for sample in view]))
        case _:
            raise TypeError(f"samples of the kind '{view.format}' must be float32, float64 or int16")


def pieces(sound: "Buffer", samples: int) -> Iterator[bytes]:
    """Yield samples as the server takes them, so many at a time, the last piece perhaps shorter; raises as `encode`."""
    view = memoryview(sound)
    if view.format == "B" or view.ndim != 1:
        yield from Framer(samples).all_of(encode(view))
        return
    for start in range(0, len(view), samples):
        yield encode(view[start : start + samples])


class Framer:
    """Cuts sound that comes in pieces of any length into frames of one length.

    Args:
        samples: of each frame.
    """

    def __init__(self, samples: int) -> None:
        self._frame_bytes = samples * SAMPLE_BYTES
        self._kept = bytearray()

    def push(self, sound: bytes) -> Iterator[bytes]:
        """Take sound as `encode` makes it, and yield the frames that are whole now."""
        self._kept += sound
        while len(self._kept) >= self._frame_bytes:
            frame = bytes(self._kept[: self._frame_bytes])
            del self._kept[: self._frame_bytes]
            yield frame

    def all_of(self, sound: bytes) -> Iterator[bytes]:
        """Yield the frames of sound that is whole."""
        yield from self.push(sound)
        yield from self.rest()

    def rest(self) -> Iterator[bytes]:
        """Yield the last frame, which is shorter, if there is one."""
        if self._kept:
            yield bytes(self._kept)
            self._kept.clear()


def _must_change(view: memoryview) -> bool:
    return view.format == "d" or sys.byteorder == "big"


def _little_endian(samples: "array[float]") -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
