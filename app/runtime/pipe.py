"""Frames on the pipes between the server and its worker processes: bytes only, and the same on both ends.

A frame is the length of its payload (u32, little-endian), one byte of kind, and the payload. Every worker process
pays for what this file imports, so it is content with `os` and `struct`.
"""

import os
import struct
from collections.abc import Iterator

REQUEST = 1
"""Server to worker: one job. The next one follows only after its END or ERROR."""
CHUNK = 2
"""Worker to server: a part of the answer."""
END = 3
"""Worker to server: the answer is complete."""
ERROR = 4
"""Worker to server: the job cannot be done; the payload says why in the worker's own words."""
READY = 5
"""Worker to server, once and before all else: jobs may come; the payload introduces the worker."""

HEADER = struct.Struct("<IB")

FIRST_BUFFER_BYTES = 256 * 1024
"""Holds six seconds of speech, so that an answer is read at once; only pages really used take memory."""


def encode(kind: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return HEADER.pack(len(payload), kind) + payload


class FrameReader:
    """Cuts what comes out of a pipe into frames, reading straight into a buffer that it keeps.

    `max_frame_bytes` bounds a payload, so that damaged bytes cannot make the buffer grow without end.
    """

    def __init__(self, *, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._buffer = bytearray(min(FIRST_BUFFER_BYTES, HEADER.size + max_frame_bytes))
        self._start = 0
        self._end = 0

    def read(self, fd: int) -> int:
        """Read once, as much as is there and fits; return the number of bytes, 0 at the end of the file.

        There is always room for some if `frames` was exhausted after the read before.

        Raises:
            BlockingIOError: nothing is there and `fd` does not block.
            OSError: the pipe is broken.
        """
        with memoryview(self._buffer) as view, view[self._end :] as room:
            count = os.readv(fd, [room])
        self._end += count
        return count

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield kind and payload of each complete frame, and make room for the next read.

        Raises:
            ValueError: a header announces more than `max_frame_bytes`, so nothing after it can be understood.
        """
        needed = HEADER.size
        while self._end - self._start >= needed:
            length, kind = HEADER.unpack_from(self._buffer, self._start)
            if length > self._max_frame_bytes:
                raise ValueError(f"frame of {length} bytes is longer than {self._max_frame_bytes} bytes")
            needed = HEADER.size + length
            if self._end - self._start >= needed:
                with memoryview(self._buffer) as view:
                    payload = bytes(view[self._start + HEADER.size : self._start + needed])
                self._start += needed
                needed = HEADER.size
                yield kind, payload
        self._make_room(needed)

    def _make_room(self, needed: int) -> None:
        """Move what is unfinished to the front of a buffer that can hold all of it."""
        unfinished = self._end - self._start
        if self._start:
            self._buffer[:unfinished] = self._buffer[self._start : self._end]
            self._start, self._end = 0, unfinished
        if needed > len(self._buffer):
            self._buffer.extend(bytes(needed - len(self._buffer)))
