"""One worker process and its pipes, seen from the event loop that started it.

POSIX only. Everything here runs in the loop's thread, even the start (`Popen`: a vfork, about a millisecond): Linux
delivers the death signal that workers ask for when the *thread* that started them ends, and threads of pools do.
"""

import asyncio
import fcntl
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import anyio

from app.runtime import pipe

log = logging.getLogger(__name__)

PIPE_BYTES = 1024 * 1024
"""The most that Linux gives to an unprivileged process: an answer then takes one write and one read."""
REAP_SECONDS = 10.0
"""A killed process that is still there after this time hangs in the kernel, and nobody can do more about it."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and within which bounds."""

    command: Sequence[str]
    max_frame_bytes: int
    environment: Mapping[str, str] | None = None
    """None: the server's own, with whatever secrets are in it."""
    memory_bytes: int | None = None
    """Bound of the address space (RLIMIT_AS), on Linux; None: no bound."""


class Process:
    """A worker process that lives from the constructor to `end`, which must be awaited.

    `received` is called with kind and payload of every frame; `lost` once, when the process can no longer be spoken
    to: it ended, broke the protocol, or was given up.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(
        self,
        program: Program,
        *,
        received: Callable[[int, bytes], None],
        lost: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._frames = pipe.FrameReader(max_frame_bytes=program.max_frame_bytes)
        self._unsent = memoryview(b"")
        self._popen = _start(program)
        self.pid = self._popen.pid
        self.reason: str | None = None
        """Why it can no longer be spoken to; None while it can."""
        self._streams = _streams(self._popen)
        self._stdin, self._stdout, self._stderr = (stream.fileno() for stream in self._streams)
        self._complaints = Complaints(self.pid, clock=clock)
        self._loop.add_reader(self._stderr, self._read_complaints)
        self._paused = True
        self.resume()

    @property
    def usable(self) -> bool:
        """Whether it can be spoken to."""
        return self.reason is None

    @property
    def last_words(self) -> str:
        """The last line that it wrote to standard error, maybe empty."""
        return self._complaints.last

    def send(self, frame: bytes) -> None:
        """Write a frame, its rest as the process reads; no other may be sent before that. Never blocks."""
        self._unsent = memoryview(frame)
        self._write()
        if self._unsent and self.usable:
            self._loop.add_writer(self._stdin, self._write)

    def pause(self) -> None:
        """Read no more, so that the process waits once the pipe is full."""
        if self.usable and not self._paused:
            self._loop.remove_reader(self._stdout)
            self._paused = True

    def resume(self) -> None:
        """Read again."""
        if self.usable and self._paused:
            self._loop.add_reader(self._stdout, self._read)
            self._paused = False

    def give_up(self, reason: str) -> None:
        """Stop speaking to it because of `reason`; `end` it next."""
        if self.usable:
            self.pause()
            self._loop.remove_writer(self._stdin)
            self.reason = reason
            self._lost()

    async def end(self, *, patience: float = 0.0) -> str:
        """Close its input, kill it and all of its process group after `patience` seconds, and say how it ended.

        No zombie and no descriptor is left when this returns. A cancelled `end` leaves both: shield it.
        """
        self.give_up("it was told to end")
        self._streams[0].close()
        if not (patience and await self._gone_within(patience)):
            with suppress(ProcessLookupError, PermissionError):  # macOS forbids it for a zombie
                os.killpg(self.pid, signal.SIGKILL)
            await self._gone_within(REAP_SECONDS)
        self._loop.remove_reader(self._stderr)
        self._read_complaints()
        for stream in self._streams:
            stream.close()
        return _describe(self._popen.returncode)

    async def _gone_within(self, seconds: float) -> bool:
        """Reap it; False if it lives on after that time."""
        pause = 0.0005
        with anyio.move_on_after(seconds):
            while self._popen.poll() is None:
                await anyio.sleep(pause)
                pause = min(2 * pause, 0.02)
        return self._popen.returncode is not None

    def _read(self) -> None:
        try:
            if not self._frames.read(self._stdout):
                self.give_up("it closed its output")
            for kind, payload in self._frames.frames():
                self._received(kind, payload)
                if not self.usable:
                    break
        except BlockingIOError:
            return
        except (ValueError, OSError) as error:
            self.give_up(str(error))

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._stdin, self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            self.give_up(f"it takes no request: {error.strerror}")
        self._loop.remove_writer(self._stdin)

    def _read_complaints(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._stderr, Complaints.READ_BYTES)
            self._complaints.feed(data)
            if not data:
                self._loop.remove_reader(self._stderr)


class Complaints:
    """What one worker writes to standard error, line by line into the log, within bounds."""

    READ_BYTES = 64 * 1024
    LINE_BYTES = 1000
    """A longer line is cut."""
    LINES_PER_MINUTE = 60
    """More are dropped: a worker that cries must not fill the disk."""

    def __init__(self, pid: int, *, clock: Callable[[], float]) -> None:
        self._pid = pid
        self._clock = clock
        self._line = b""
        self._minute = clock()
        self._count = 0
        self.last = ""

    def feed(self, data: bytes) -> None:
        """Log the lines that `data` completes; no data: the end, which completes the last one."""
        *lines, self._line = (self._line + data).split(b"\n")
        if not data or len(self._line) > self.LINE_BYTES:
            lines, self._line = [*lines, self._line], b""
        for line in lines:
            if text := line[: self.LINE_BYTES].decode("utf-8", "replace").strip():
                self._log(text)

    def _log(self, line: str) -> None:
        self.last = line
        now = self._clock()
        if now - self._minute >= 60:
            self._minute, self._count = now, 0
        self._count += 1
        if self._count <= self.LINES_PER_MINUTE:
            log.warning("worker process %d: %s", self._pid, line)
        elif self._count == self.LINES_PER_MINUTE + 1:
            log.warning("worker process %d: too many lines, dropping those of this minute", self._pid)


def _start(program: Program) -> subprocess.Popen[bytes]:
    """Start it in a process group of its own, where Ctrl-C in the server's terminal does not reach it."""
    popen = subprocess.Popen(
        program.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=program.environment,
        process_group=0,
    )
    for stream in _streams(popen):
        os.set_blocking(stream.fileno(), False)
    if sys.platform == "linux":
        with suppress(OSError):  # beyond the user's quota of pipe pages: smaller reads, nothing worse
            fcntl.fcntl(_streams(popen)[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        if program.memory_bytes is not None:
            with suppress(ProcessLookupError):  # it has ended already, as its output will tell
                resource.prlimit(popen.pid, resource.RLIMIT_AS, (program.memory_bytes, program.memory_bytes))
    return popen


def _streams(popen: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert popen.stdin and popen.stdout and popen.stderr
    return popen.stdin, popen.stdout, popen.stderr


def _describe(status: int | None) -> str:
    if status is None:
        return "does not end"
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"
