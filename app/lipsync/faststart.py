"""An MP4 file with its index at the front, so that players need not have all of it to begin. Pure.

FFmpeg's own `faststart` reopens the file by its name, which a file in memory does not have. The index (`moov`) holds
the places of all samples in the file, which move by its length (ISO/IEC 14496-12, 8.7.5).
"""

import struct
from collections.abc import Iterator

import numpy as np

_CONTAINERS = (b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS = {b"stco": ">u4", b"co64": ">u8"}
_HEADER = struct.Struct(">I4s")
_LONG_HEADER_BYTES = 16


def moov_first(file: bytes | memoryview) -> bytes:
    """Return a file of FFmpeg's muxer with `moov` right behind `ftyp`.

    Raises:
        ValueError: it has no `moov`, or it would no longer fit into the 4 GB that its index can tell.
    """
    data = memoryview(file)
    boxes = {name: (start, end) for name, start, end in _boxes(data, 0, len(data))}
    if b"moov" not in boxes or b"ftyp" not in boxes:
        raise ValueError(f"file with the boxes {sorted(boxes)} is no whole MP4 file")
    (start, end), (_, front) = boxes[b"moov"], boxes[b"ftyp"]
    moov = bytearray(data[start:end])
    _move(memoryview(moov), 8, len(moov), by=len(moov))
    return b"".join((data[:front], moov, data[front:start], data[end:]))


def _boxes(data: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the boxes that lie side by side."""
    while start + _HEADER.size <= end:
        size, name = _HEADER.unpack_from(data, start)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + _HEADER.size)
        size = max(size, _HEADER.size) if size else end - start
        yield name, start, min(start + size, end)
        start += size


def _move(moov: memoryview, start: int, end: int, *, by: int) -> None:
    for name, at, stop in _boxes(moov, start, end):
        if name in _CONTAINERS:
            _move(moov, at + _HEADER.size, stop, by=by)
        elif name in _OFFSETS:
            count = struct.unpack_from(">I", moov, at + 12)[0]
            offsets = np.frombuffer(moov, _OFFSETS[name], count, at + _LONG_HEADER_BYTES)
            if count and int(offsets[-1]) + by > np.iinfo(offsets.dtype).max:
                raise ValueError("file of more than 4 GB has places that its index cannot tell")
            offsets += np.array(by, offsets.dtype)
