"""The boxes that an MP4 or MOV file is made of (ISO/IEC 14496-12, 4.2). Pure."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct(">I4s")


class Box(NamedTuple):
    """Places in the file."""

    name: bytes
    at: int
    """Where the box begins."""
    start: int
    """Where its content does."""
    end: int


def boxes(data: bytes | memoryview, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that lie side by side, never beyond `end`."""
    while start + _HEADER.size <= end:
        size, name = _HEADER.unpack_from(data, start)
        head = _HEADER.size
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + head)
            head = 16
        stop = min(start + max(size, head), end) if size else end
        yield Box(name, start, min(start + head, stop), stop)
        start = stop


def named(data: bytes | memoryview, parent: Box | None, name: bytes) -> Iterator[Box]:
    """Yield the boxes of a name within another."""
    if parent is not None:
        yield from (box for box in boxes(data, parent.start, parent.end) if box.name == name)


def find(data: bytes | memoryview, box: Box | None, *path: bytes) -> Box | None:
    """Return the first box along a path of names; None: there is none."""
    for name in path:
        box = next(named(data, box, name), None)
    return box
