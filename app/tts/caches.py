"""Finished speech in memory, and behind it, that of costly voices on disk.

A lookup in memory costs microseconds and happens on the event loop; only what is not there and is worth it is looked
for on disk. What is kept is written behind the reply's back, by one task: no client waits for the disk, and when it
is slower than the voices, speech goes unkept.
"""

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from app.tts.cache import SpeechCache
from app.tts.disk_cache import DiskCache
from app.tts.speech import Speech

MAX_UNWRITTEN: Final = 256
MAX_UNWRITTEN_BYTES: Final = 32 * 1024 * 1024
SWEEP_SECONDS: Final = 600.0
DRAIN_SECONDS: Final = 5.0
"""How long leaving waits for what is not written yet."""

_Kept: TypeAlias = tuple[Hashable, Speech]


class Caches:
    """The two levels as one. An async context manager: outside of it nothing is written to disk."""

    def __init__(
        self,
        memory: SpeechCache,
        disk: DiskCache | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Put `disk`, if there is one, behind `memory`; `sleep` is what lies between two sweeps of the disk."""
        self._memory = memory
        self._disk = disk
        self._sleep = sleep
        self._unwritten: MemoryObjectSendStream[_Kept] | None = None
        self._unwritten_bytes = 0
        self._running = AsyncExitStack()
        self.disk_hits = 0
        """Lookups that memory did not answer and the disk did."""

    @property
    def hits(self) -> int:
        """Lookups that either level answered."""
        return self._memory.hits + self.disk_hits

    @property
    def misses(self) -> int:
        """Lookups that neither level answered."""
        return self._memory.misses - self.disk_hits

    @property
    def size_bytes(self) -> int:
        """What the entries in memory take."""
        return self._memory.size_bytes

    @property
    def disk_bytes(self) -> int:
        """What the entries on disk take, as far as it is known."""
        return self._disk.size_bytes if self._disk else 0

    def __contains__(self, plan: Hashable) -> bool:
        return plan in self._memory

    def get(self, plan: Hashable) -> Speech | None:
        """Return speech that is in memory."""
        return self._memory.get(plan)

    async def recall(self, plan: Hashable) -> Speech | None:
        """Return speech that is on disk, and take it into memory. For plans that `get` did not find.

        Cancellation: once a thread reads, only when it has read.
        """
        speech = await self._disk.get(plan) if self._disk else None
        if speech is not None:
            self.disk_hits += 1
            self._memory.put(plan, speech)
        return speech

    def put(self, plan: Hashable, speech: Speech, *, is_costly: bool = False) -> None:
        """Keep speech in memory, and on disk if it was costly. Not what somebody else spoke in the place of another."""
        if speech.fallback_from is not None:
            return
        self._memory.put(plan, speech)
        if is_costly and self._unwritten is not None:
            self._write_later(self._unwritten, plan, speech)

    def _write_later(self, unwritten: MemoryObjectSendStream[_Kept], plan: Hashable, speech: Speech) -> None:
        if self._unwritten_bytes + len(speech.audio) > MAX_UNWRITTEN_BYTES:
            return
        try:
            unwritten.send_nowait((plan, speech))
        except anyio.WouldBlock:
            return
        self._unwritten_bytes += len(speech.audio)

    async def __aenter__(self) -> "Caches":
        if self._disk is None:
            return self
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._sweep, self._disk)
            writers = await stack.enter_async_context(anyio.create_task_group())
            self._unwritten, unwritten = anyio.create_memory_object_stream[_Kept](MAX_UNWRITTEN)
            stack.callback(self._end_writing, self._unwritten, writers.cancel_scope)
            writers.start_soon(self._write, self._disk, unwritten)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def _end_writing(self, unwritten: MemoryObjectSendStream[_Kept], writing: anyio.CancelScope) -> None:
        self._unwritten = None
        writing.deadline = anyio.current_time() + DRAIN_SECONDS
        unwritten.close()

    async def _write(self, disk: DiskCache, unwritten: MemoryObjectReceiveStream[_Kept]) -> None:
        with unwritten:
            async for plan, speech in unwritten:
                self._unwritten_bytes -= len(speech.audio)
                await disk.put(plan, speech)

    async def _sweep(self, disk: DiskCache) -> None:
        while True:
            await disk.sweep()
            await self._sleep(SWEEP_SECONDS)
