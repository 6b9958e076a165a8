"""The samples of a film in fragments, as browsers record it (ISO/IEC 14496-12, 8.8)."""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidVideo
from app.lipsync.boxes import Box, find, named

_NOT_A_KEY = 0x10000
"""sample_is_non_sync_sample (8.8.3.1)."""
_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800

Integers = NDArray[np.int64]


def fragments(data: bytes, whole: Box, moov: Box, track_id: int, most: int) -> Iterator[Integers]:
    """Yield start, size, time, and whether it is a key, of the samples of each run; shape (n, 4).

    Raises:
        InvalidVideo: there are more than `most`.
    """
    defaults = next((each for each in _defaults(data, moov) if each[0] == track_id), (track_id, 0, 0, 0))
    time = total = 0
    for moof in named(data, whole, b"moof"):
        for traf in named(data, moof, b"traf"):
            head = _Head(data, moof, traf, defaults[1:])
            if head.track_id != track_id:
                continue
            began = find(data, traf, b"tfdt")
            if began is not None:
                (time,) = struct.unpack_from(">Q" if data[began.start] == 1 else ">I", data, began.start + 4)
            at = head.at
            for trun in named(data, traf, b"trun"):
                run, at, time = head.run(data, trun, at, time, most - total)
                total += len(run)
                yield run


def _defaults(data: bytes, moov: Box) -> Iterator[tuple[int, int, int, int]]:
    """Yield track, duration, size and flags, out of each `trex` (8.8.3)."""
    for box in named(data, find(data, moov, b"mvex"), b"trex"):
        track, _, duration, size, flags = struct.unpack_from(">5I", data, box.start + 4)
        yield track, duration, size, flags


class _Head:
    """What the samples of one `traf` share (8.8.7)."""

    def __init__(self, data: bytes, moof: Box, traf: Box, defaults: tuple[int, int, int]) -> None:
        box = find(data, traf, b"tfhd")
        if box is None:
            raise ValueError("a fragment has no head")
        flags, self.track_id = struct.unpack_from(">II", data, box.start)
        place, self.at = box.start + 8, moof.at
        if flags & 0x1:
            (self.at,) = struct.unpack_from(">Q", data, place)
            place += 8
        place += 4 * (flags >> 1 & 1)
        self._base = self.at
        values = []
        for bit, default in zip((0x8, 0x10, 0x20), defaults, strict=True):
            values.append(struct.unpack_from(">I", data, place)[0] if flags & bit else default)
            place += 4 * bool(flags & bit)
        self._duration, self._size, self._flags = values

    def run(self, data: bytes, trun: Box, at: int, time: int, most: int) -> tuple[Integers, int, int]:
        """Return the samples of a run (8.8.8), and where and when the next one begins."""
        flags, count = struct.unpack_from(">II", data, trun.start)
        if count > most:
            raise InvalidVideo(f"the video has more than {most} pictures", field="video")
        place = trun.start + 8
        if flags & 0x1:
            at = self._base + struct.unpack_from(">i", data, place)[0]
            place += 4
        first = struct.unpack_from(">I", data, place)[0] if flags & 0x4 else None
        place += 4 * (first is not None)
        names = [bit for bit in (_DURATION, _SIZE, _FLAGS, _OFFSET) if flags & bit]
        if place + 4 * len(names) * count > trun.end:
            raise ValueError("a run of samples ends in the middle")
        rows = np.frombuffer(data, ">i4", len(names) * count, place).reshape(count, len(names)).astype(np.int64)
        told = {bit: rows[:, column] for column, bit in enumerate(names)}
        durations = told.get(_DURATION, np.full(count, self._duration)) & 0xFFFFFFFF
        sizes = told.get(_SIZE, np.full(count, self._size)) & 0xFFFFFFFF
        marks = told.get(_FLAGS, np.full(count, self._flags)).copy()
        if first is not None and count and _FLAGS not in told:
            marks[0] = first
        offsets = told.get(_OFFSET, np.zeros(count, np.int64))
        starts = at + np.cumsum(sizes) - sizes
        times = time + np.cumsum(durations) - durations + offsets
        samples = np.column_stack((starts, sizes, times, (marks & _NOT_A_KEY) == 0))
        return samples, at + int(sizes.sum()), time + int(durations.sum())
