"""The worker's end of the pipes: what a program started by `app.runtime.processes` runs inside itself.

It needs only the standard library, and little of it: each worker pays for its imports in memory, and in the time
that its restart takes.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from app.runtime import pipe

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""
SIGKILL = 9
"""Importing `signal` for this would bring in `enum`, a tenth of the time that a worker takes to start."""


class Channel:
    """Jobs in, answers out. Writing blocks while the server does not read, and raises BrokenPipeError without it."""

    def __init__(self, source: int, sink: int, *, max_frame_bytes: int) -> None:
        self._source = source
        self._sink = sink
        self._reader = pipe.FrameReader(max_frame_bytes=max_frame_bytes)

    def requests(self) -> Iterator[bytes]:
        """Yield one job after another until the server closes the pipe; answer each before taking the next."""
        while self._reader.read(self._source):
            for _, payload in self._reader.frames():
                yield payload

    def ready(self, introduction: bytes = b"") -> None:
        """Say that jobs may come, once; `introduction` is for the owner of the processes."""
        self._send(pipe.READY, introduction)

    def chunk(self, *parts: bytes) -> None:
        """Send the parts as one chunk of the answer."""
        self._send(pipe.CHUNK, *parts)

    def end(self) -> None:
        """Say that the answer is complete."""
        self._send(pipe.END)

    def error(self, answer: bytes) -> None:
        """Say that this job cannot be done; the next one may come."""
        self._send(pipe.ERROR, answer)

    def _send(self, kind: int, *parts: bytes) -> None:
        unsent = memoryview(b"".join((pipe.HEADER.pack(sum(map(len, parts)), kind), *parts)))
        while unsent:
            unsent = unsent[os.write(self._sink, unsent) :]


def run(program: Callable[[Channel], None], *, max_frame_bytes: int = 1024 * 1024) -> None:
    """Run `program` on the pipes that the server gave to this process; return when the server has gone.

    `max_frame_bytes` bounds one request. The descriptors 0 and 1 are taken away first: whatever a library prints
    goes to standard error and so to the server's log, never between two frames.
    """
    _die_with_parent()
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        program(Channel(source, sink, max_frame_bytes=max_frame_bytes))


def _die_with_parent() -> None:
    """Let the kernel kill this process when the server's thread that started it is gone, killed or not.

    Where there is no prctl, the end of file on the pipe does it, after the job in hand.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
