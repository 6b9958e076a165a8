"""Crash-isolated worker processes that are spoken to over pipes, one job at a time each.

For work that may crash or hang and would take the whole server with it: libraries of C that are not safe in threads,
or under a licence that keeps them at arm's length. Nothing here knows what the work is.

The rules of this file:

- A worker is held by exactly one call, from the request to its end, its error or the worker's death.
- Callers wait in one line, first come, first served. A worker that becomes free takes the next job in the same
  moment, so nobody who comes later can slip in between.
- A worker that dies, breaks the protocol or takes too long costs that one call an error; it is killed, reaped and
  replaced at once. Workers that die without a job to blame are replaced after growing pauses.
- What a worker says is taken by a callback of the loop, without any task, and kept in the call that holds it. A slow
  reader therefore holds no worker, until `max_buffered_bytes` have piled up: then the pipe stops while the job's time
  goes on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import anyio

from app.errors import ChorusError, DeadlineExceeded, InvalidInput, Unavailable, WorkerFailed, WorkerLost
from app.runtime import pipe
from app.runtime.process import Process, Program

log = logging.getLogger(__name__)


class Processes:
    """A pool of `count` worker processes that run `command` and speak as `app.runtime.child` does.

    An async context manager: on entry all workers start at the same time, and it waits until each is ready or has
    failed, which raises nothing (see `alive` and `trouble`). On exit they are ended and calls in hand fail.

    Args:
        command: program and arguments.
        count: number of processes.
        job_timeout: seconds that one job may take in its worker, without its time in the line.
        grace: seconds that a worker has to finish a job nobody waits for any more, or to end by itself on exit.
        max_frame_bytes: bound of one frame, in both directions.
        max_buffered_bytes: bound of what is kept for a slow reader, beyond one frame.
        start_timeout: seconds from the start of a process until it must be ready.
        restart_delay: seconds before a worker that died without a job is replaced, doubled each time that repeats.
        max_restart_delay: bound of that.
        memory_bytes: bound of the address space of each process, on Linux.
        environment: variables of the processes; None hands on all of the server's own.
        sleep: waits before a restart; replaced by tests.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        count: int,
        job_timeout: float,
        grace: float,
        max_frame_bytes: int,
        max_buffered_bytes: int = 4 * 1024 * 1024,
        start_timeout: float = 30.0,
        restart_delay: float = 0.5,
        max_restart_delay: float = 30.0,
        memory_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.count = count
        self.grace = grace
        self.job_timeout = job_timeout
        self.max_buffered_bytes = max_buffered_bytes
        self.introduction: bytes | None = None
        """What the worker that started last said of itself; None before the first."""
        self.trouble: str | None = None
        """Why a worker could not be started, while none has been since."""
        self._program = Program(command, max_frame_bytes, environment, memory_bytes)
        self._start_timeout = start_timeout
        self._restart_delay = restart_delay
        self._max_restart_delay = max_restart_delay
        self._sleep = sleep
        self._line: deque[Call] = deque()
        self._idle: list[_Worker] = []
        self._ready: set[_Worker] = set()
        self._down: set[int] = set()
        """Slots whose worker died without a job and has no successor yet."""
        self._running = False
        self._stack = AsyncExitStack()

    @property
    def alive(self) -> int:
        """How many workers are ready, with or without a job."""
        return len(self._ready)

    @property
    def usable(self) -> bool:
        """Whether a call may be made now: some worker is there, or on its way after a job that broke it."""
        return self._running and len(self._down) < self.count

    def call(self, request: bytes) -> "Call":
        """Return the answer to `request`, to be iterated over: see `Call`.

        Raises:
            InvalidInput: the request is longer than `max_frame_bytes`.
        """
        if len(request) > self._program.max_frame_bytes:
            raise InvalidInput(f"request of {len(request)} bytes, at most {self._program.max_frame_bytes} allowed")
        return Call(self, request)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            keepers = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(keepers.cancel_scope.cancel)
            self._running = True
            self._down.clear()
            first_starts = [anyio.Event() for _ in range(self.count)]
            for slot, settled in enumerate(first_starts):
                keepers.start_soon(self._keep, slot, settled)
            for settled in first_starts:
                await settled.wait()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running = False
        self._refuse_line()
        await self._stack.aclose()

    def submit(self, call: "Call") -> None:
        """Start the call's job now or put it into the line; `Call` does this.

        Raises:
            Unavailable: no worker is there, nor on its way.
        """
        if self._idle:
            # The worker used last: its code and dictionaries are the warmest.
            self._idle.pop().start(call)
        elif self.usable:
            self._line.append(call)
        else:
            raise self._unavailable()

    def withdraw(self, call: "Call") -> None:
        """Take a call out of the line; `Call` does this."""
        self._line.remove(call)

    def freed(self, worker: "_Worker") -> None:
        """Give a worker its next job, if there is one; the worker calls this."""
        if self._line:
            worker.start(self._line.popleft())
        else:
            self._idle.append(worker)

    def lost(self, worker: "_Worker") -> None:
        """Hand this worker out no more; the worker calls this."""
        self._ready.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)

    async def _keep(self, slot: int, settled: anyio.Event) -> None:
        """Have a worker in this slot at any time, as far as possible; `settled` is set after the first start."""
        failures = 0
        while True:
            failures = 0 if await self._run_worker(slot, settled) else failures + 1
            if failures:
                self._down.add(slot)
                if not self.usable:
                    self._refuse_line()
                settled.set()
                await self._sleep(min(self._restart_delay * 2 ** min(failures - 1, 16), self._max_restart_delay))

    async def _run_worker(self, slot: int, settled: anyio.Event) -> bool:
        """Run one worker from its start to its end; tell whether it was of any use."""
        try:
            worker = _Worker(self, self._program)
        except OSError as error:
            self._lament(f"{self._program.command[0]} cannot be started: {error.strerror}")
            return False
        try:
            with anyio.move_on_after(self._start_timeout):
                await worker.greeted.wait()
            if worker.introduction is None:
                worker.process.give_up(f"it was not ready within {self._start_timeout:g} s")
            if worker.process.usable:
                self._welcome(worker, slot)
                settled.set()
            await worker.gone.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await worker.end()
        self._lament(worker.obituary)
        return worker.jobs > 0

    def _welcome(self, worker: "_Worker", slot: int) -> None:
        self.introduction, self.trouble = worker.introduction, None
        self._down.discard(slot)
        self._ready.add(worker)
        self.freed(worker)

    def _lament(self, trouble: str) -> None:
        log.warning("%s", trouble)
        if not self._ready:
            self.trouble = trouble

    def _refuse_line(self) -> None:
        while self._line:
            self._line.popleft().finish(self._unavailable())

    def _unavailable(self) -> Unavailable:
        reason = (self.trouble or "all are down") if self._running else "the pool is closed"
        return Unavailable(f"no worker process takes this job: {reason}")


class Call(AsyncIterator[bytes]):
    """The answer to one request, chunk by chunk; the job starts, or joins the line, with the first `anext`.

    Cancelling the task that awaits it, or closing it (`contextlib.aclosing`), leaves the line or gives up the job:
    the worker has `grace` seconds to finish it with nobody listening, and is killed after that. Both return only when
    the worker has finished or its process is gone. One task at a time may use it. One that is left unread, without
    being closed, holds its worker until `job_timeout` at the latest.

    Raises:
        WorkerFailed: the worker refused the job; `answer` holds its own words.
        WorkerLost: the worker's process ended in the middle of the job.
        DeadlineExceeded: the job took longer than `job_timeout`.
        Unavailable: no worker is there, nor on its way.
    """

    def __init__(self, pool: Processes, request: bytes) -> None:
        self.request = request
        self.worker: _Worker | None = None
        """Who works on it now."""
        self.buffered_bytes = 0
        """What has arrived and not been read."""
        self._pool = pool
        self._submitted = False
        self._finished = False
        self._closed = False
        self._failure: ChorusError | None = None
        self._chunks: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None

    async def __anext__(self) -> bytes:
        if not self._submitted:
            self._submitted = True
            self._submit()
        while not self._chunks:
            if self._finished:
                self._raise_outcome()
            try:
                await self._hear()
            except asyncio.CancelledError:
                await self.aclose()
                raise
        chunk = self._chunks.popleft()
        self.buffered_bytes -= len(chunk)
        if self.worker and self.buffered_bytes <= self._pool.max_buffered_bytes:
            self.worker.process.resume()
        return chunk

    async def aclose(self) -> None:
        """Give up the rest of the answer; see the class."""
        self._closed = True
        self._chunks.clear()
        self._failure = None
        if self.worker:
            self.worker.abandon()
            with anyio.CancelScope(shield=True):
                while not self._finished:
                    await self._hear()
        elif self._submitted and not self._finished:
            self._pool.withdraw(self)
        self._submitted = self._finished = True

    def push(self, chunk: bytes) -> None:
        """Take a chunk from the worker."""
        if self._closed:
            return
        self._chunks.append(chunk)
        self.buffered_bytes += len(chunk)
        if self.buffered_bytes > self._pool.max_buffered_bytes and self.worker:
            self.worker.process.pause()
        self._wake()

    def finish(self, failure: ChorusError | None) -> None:
        """Take the end of the answer, or what came instead of it."""
        self.worker = None
        self._finished = True
        self._failure = None if self._closed else failure
        self._wake()

    def _submit(self) -> None:
        try:
            self._pool.submit(self)
        except Unavailable:
            self._finished = True
            raise

    def _raise_outcome(self) -> None:
        failure, self._failure = self._failure, None
        raise failure or StopAsyncIteration

    async def _hear(self) -> None:
        """Wait until something was pushed or finished."""
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _wake(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)


class _Worker:
    """One process, and the call that holds it."""

    def __init__(self, pool: Processes, program: Program) -> None:
        self.greeted = anyio.Event()
        """Set when it has introduced itself, or is gone before that."""
        self.gone = anyio.Event()
        self.introduction: bytes | None = None
        self.jobs = 0
        self.obituary = ""
        self._pool = pool
        self._call: Call | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failure: ChorusError | None = None
        self.process = Process(program, received=self._take, lost=self._lose)

    def start(self, call: Call) -> None:
        """Send it the call's request; it must be free."""
        self.jobs += 1
        self._call, call.worker = call, self
        self._set_timer(self._pool.job_timeout)
        self.process.send(pipe.encode(pipe.REQUEST, call.request))

    def abandon(self) -> None:
        """Let it finish its job with nobody listening, but not for long."""
        self.process.resume()
        self._set_timer(self._pool.grace)

    async def end(self) -> None:
        """End the process, then the call that held it."""
        idle = self.process.usable and self.introduction is not None and not self._call
        how = await self.process.end(patience=self._pool.grace if idle else 0.0)
        last_words = f": {self.process.last_words}" if self.process.last_words else ""
        self.obituary = f"worker process {self.process.pid} {how} ({self.process.reason}){last_words}"
        self._finish(self._failure or WorkerLost(f"the worker process {how} in the middle of the job"))

    def _take(self, kind: int, payload: bytes) -> None:
        match kind:
            case pipe.CHUNK if self._call:
                self._call.push(payload)
            case pipe.END if self._call:
                self._finish(None)
                self._pool.freed(self)
            case pipe.ERROR if self._call:
                self._finish(WorkerFailed(payload.decode("utf-8", "replace"), answer=payload))
                self._pool.freed(self)
            case pipe.READY if self.introduction is None:
                self.introduction = payload
                self.greeted.set()
            case _:
                self.process.give_up(f"it sent a frame of kind {kind} out of turn")

    def _finish(self, failure: ChorusError | None) -> None:
        if self._timer:
            self._timer.cancel()
        if self._call:
            call, self._call = self._call, None
            call.finish(failure)
            self.process.resume()  # the end may have been read together with the chunk that was too much

    def _lose(self) -> None:
        self._pool.lost(self)
        self.greeted.set()
        self.gone.set()

    def _overdue(self) -> None:
        self._failure = DeadlineExceeded(f"the job took longer than {self._pool.job_timeout:g} s")
        self.process.give_up("it took too long")

    def _set_timer(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._overdue)
