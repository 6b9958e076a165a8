"""Processes that read sound files: they decode, and make fingerprints, side by side on all cores.

A file that ends its process, as damaged ones have been known to do, costs an error for that file and nobody else
anything. They are started when the first file comes, since a server that recognises streams needs none, and ended when
none has come for a while.
"""

import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio
import numpy as np

from app.audio.pcm import Samples
from app.errors import InvalidAudio, WorkerFailed, WorkerLost
from app.fingerprint.reading import Facts, Kind, Wish, decode_refusal
from app.runtime.processes import Processes

PROGRAM: Final = "app.fingerprint.reader_worker"
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
JOB_SECONDS: Final = 900.0
"""What one file may take; a day of sound takes five minutes."""
IDLE_SECONDS: Final = 60.0
MEMORY_BYTES: Final = 4 * 1024**3
"""Of address space, which is several times what a reader really uses."""

_KEPT_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "HOME", "NUMBA_CACHE_DIR")
"""What a reader needs; the server's secrets stay out of a process that parses what strangers send."""


@dataclass(frozen=True, slots=True)
class Listened:
    """What came of listening to a whole file."""

    facts: Facts
    fingerprint: bytes
    """Packed, as `Fingerprint.to_bytes` does."""


class Readers:
    """An async context manager. Belongs to one event loop.

    Args:
        count: processes; each takes some 150 MB, and one file at a time.
        idle_seconds: after which they end when nobody needs them.
        program: the module that they run.
    """

    def __init__(self, count: int, *, idle_seconds: float = IDLE_SECONDS, program: str = PROGRAM) -> None:
        self.count = count
        self._idle_seconds = idle_seconds
        self._program = program
        self._users = 0
        self._news = anyio.Event()
        """Set when somebody comes, or the last one goes."""
        self._started = anyio.Event()
        self._processes: Processes | None = None
        self._open = AsyncExitStack()

    @property
    def alive(self) -> int:
        """How many processes there are."""
        return self._processes.alive if self._processes else 0

    async def listen(self, path: Path, *, max_seconds: float, guarded: bool = False) -> Listened:
        """Make the fingerprint of a file; files wait in one line for a free process.

        Cancellation: ends the job, and returns when its process is free again or gone.

        Raises:
            NotFound: it is not there, or may not be read.
            InvalidAudio: there is no sound in it, or more than `max_seconds`.
            DeadlineExceeded: it took too long.
            Unavailable: no process can be started.
        """
        wish = Wish(str(path), Kind.FINGERPRINT, max_seconds, guarded)
        async with aclosing(self._answer(wish)) as chunks:
            facts = Facts.decode(await anext(chunks))
            return Listened(facts, b"".join([piece async for piece in chunks]))

    async def samples(self, path: Path, *, max_seconds: float, guarded: bool = False) -> AsyncGenerator[Samples, None]:
        """Yield the sound of a file block by block, mono, at the rate at which sound is analysed (`SAMPLE_RATE`).

        The process waits for a slow reader. Close it (`contextlib.aclosing`). Raises as `listen`, maybe after some
        blocks.
        """
        async with aclosing(self._answer(Wish(str(path), Kind.SAMPLES, max_seconds, guarded))) as chunks:
            async for chunk in chunks:
                yield np.frombuffer(chunk, np.float32)

    async def _answer(self, wish: Wish) -> AsyncGenerator[bytes, None]:
        async with self._using() as processes:
            try:
                async with aclosing(processes.call(wish.encode())) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except WorkerLost as error:
                raise InvalidAudio("it ended the process that read it", field="file") from error
            except WorkerFailed as error:
                raise decode_refusal(error) from error

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[Processes]:
        self._users += 1
        self._news.set()
        try:
            while self._processes is None:
                await self._started.wait()
            yield self._processes
        finally:
            self._users -= 1
            self._news.set()

    async def _keep(self) -> None:
        """Have processes whenever somebody needs them."""
        while True:
            await self._hear(wanted=True)
            async with self._make() as processes:
                self._processes = processes
                self._started.set()
                await self._until_idle()
                # before anything is awaited, so that nobody comes in who would be sent away
                self._processes, self._started = None, anyio.Event()

    async def _until_idle(self) -> None:
        is_idle = False
        while not is_idle:
            await self._hear(wanted=False)
            with anyio.move_on_after(self._idle_seconds) as patience:
                await self._hear(wanted=True)
            is_idle = patience.cancelled_caught and not self._users

    async def _hear(self, *, wanted: bool) -> None:
        """Wait until somebody needs them, or nobody does."""
        while bool(self._users) != wanted:
            self._news = anyio.Event()
            await self._news.wait()

    def _make(self) -> Processes:
        return Processes(
            [sys.executable, "-m", self._program],
            count=self.count,
            job_timeout=JOB_SECONDS,
            grace=1.0,
            max_frame_bytes=MAX_FRAME_BYTES,
            memory_bytes=MEMORY_BYTES,
            environment=environment(),
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._keep)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()


def environment() -> dict[str, str]:
    """Return the variables of a process that hears what strangers send: none that is a secret."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
