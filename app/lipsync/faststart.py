"""An MP4 file with its index at the front, so that players need not have all of it to begin. Pure.

FFmpeg's own `faststart` reopens the file by its name, which a file in memory does not have. The index (`moov`) holds
the places of all samples in the file, which move by its length (ISO/IEC 14496-12, 8.7.5).
"""

import struct

import numpy as np

from app.lipsync.boxes import boxes

_CONTAINERS = (b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS = {b"stco": ">u4", b"co64": ">u8"}


def moov_first(file: bytes | memoryview) -> bytes:
    """Return a file of FFmpeg's muxer with `moov` right behind `ftyp`.

    Raises:
        ValueError: it has no `moov`, or it would no longer fit into the 4 GB that its index can tell.
    """
    data = memoryview(file)
    found = {box.name: box for box in boxes(data, 0, len(data))}
    if b"moov" not in found or b"ftyp" not in found:
        raise ValueError(f"file with the boxes {sorted(found)} is no whole MP4 file")
    (_, start, _, end), front = found[b"moov"], found[b"ftyp"].end
    moov = bytearray(data[start:end])
    _move(memoryview(moov), 8, len(moov), by=len(moov))
    return b"".join((data[:front], moov, data[front:start], data[end:]))


def _move(moov: memoryview, start: int, end: int, *, by: int) -> None:
    for box in boxes(moov, start, end):
        if box.name in _CONTAINERS:
            _move(moov, box.start, box.end, by=by)
        elif box.name in _OFFSETS:
            (count,) = struct.unpack_from(">4xI", moov, box.start)
            offsets = np.frombuffer(moov, _OFFSETS[box.name], count, box.start + 8)
            if count and int(offsets[-1]) + by > np.iinfo(offsets.dtype).max:
                raise ValueError("file of more than 4 GB has places that its index cannot tell")
            offsets += np.array(by, offsets.dtype)
