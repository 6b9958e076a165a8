"""One WebSocket conversation: a reader that always receives, a writer, and the jobs between them.

Rules of this file:

1. The reader hands each message to a plain function, which cannot wait: so `cancel`, pings and the end of the
   connection are seen whatever else goes on.
2. What is sent goes through the bounded outbox and the one writer, or out at once where the server can do that and
   nothing waits before it.
3. A job belongs to the session: when the session ends, its jobs are cancelled before `run` returns.
4. The end is always an explicit close code, sent within `CLOSE_SECONDS` or replaced by cutting the connection.
5. While the outbox is full the session says so (`on_congestion`), so that nothing more is made for a peer that does not
   take what it has.
6. One task whose job has ended waits for the next: a task that is begun and ended costs 35 µs, a tenth of what a short
   reply costs a server. One that was cancelled ends, for so does everything that it would begin.
7. Where the server diverts binary messages, they come around the reader, in their order, and in no task of anybody's,
   where anyio does not work: a stream of audio costs a fraction. They may `post` and `close`, and `start` nothing. More
   than `BURST` of them within `BURST_SECONDS` go through the reader, which lets others work in between.
8. Text that comes alone is taken around the reader too, while a task waits for the job that it may start; none is
   overtaken.
9. A patient session does not send away a peer that does not read its replies: it reads nothing more from it until there
   is room for them. A peer that never reads is left to the server's own guards.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import anyio
from anyio import TaskHandle
from anyio.abc import TaskGroup
from starlette.websockets import WebSocketDisconnect

from app.errors import Draining, InvalidInput, Overloaded, SessionClosed
from app.runtime.outbox import Message, Outbox, Overflow
from app.runtime.pulse import Due, Pulse

logger = logging.getLogger(__name__)

BURST, BURST_SECONDS = 256, 0.005  # as many of the smallest as a core takes in that time

CLOSE_SECONDS = 5.0  # for what is still in the outbox and the close frame, before the connection is cut

NORMAL = 1000
GOING_AWAY = 1001
ABNORMAL = 1006
POLICY = 1008
INTERNAL = 1011
SERVICE_RESTART = 1012

Job = Callable[[], Awaitable[None]]

Divert = Callable[[Callable[[bytes], None] | None], None]
"""Tells the server whom to give binary messages as soon as they are read; None leaves them to `receive` again."""

DivertText = Callable[[Callable[[str], bool] | None], None]
"""The same for text that comes alone, to somebody who may leave it to `receive`."""

SendNow = Callable[[Message], bool]
"""Sends a message if the transport takes it at once, and tells whether it did."""

GONE = (OSError, RuntimeError, WebSocketDisconnect)
"""What uvicorn and Starlette raise when the peer is gone in the middle of a message."""


class Socket(Protocol):
    """The part of Starlette's `WebSocket` that a session uses, after `accept`."""

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next ASGI message."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send an ASGI message, waiting while the transport is above its high-water mark."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session; 0 turns a timer or a limit off."""

    idle_timeout: float = 300.0
    heartbeat_interval: float = 30.0
    max_jobs: int = 256
    outbox_messages: int = 64
    outbox_size: int = 2 * 1024 * 1024
    """Characters of text and bytes of binary messages, beyond which jobs wait."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Spare:
    """A task that waits for its next job."""

    task: TaskHandle[None]
    next: asyncio.Future[tuple[str, Job]]


class Session:
    """A conversation over one accepted socket."""

    def __init__(
        self,
        socket: Socket,
        limits: SessionLimits,
        *,
        heartbeat: Callable[[], str] | None = None,
        on_failure: Callable[[str, Exception], None] | None = None,
        on_cancelled: Callable[[str], None] | None = None,
        on_congestion: Callable[[bool], None] | None = None,
        is_activity: Callable[[Message], bool] | None = None,
        divert: Divert | None = None,
        divert_text: DivertText | None = None,
        send_now: SendNow | None = None,
        patient: bool = False,
        abort: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the session; `run` starts it.

        Args:
            socket: accepted, not yet read.
            limits: its bounds.
            heartbeat: makes the heartbeat message; None sends none.
            on_failure: told the key and the error of a job that failed; may `post`.
            on_cancelled: told the key of a job that `cancel` ended; may `post`.
            on_congestion: told when the outbox becomes full and when it has room again.
            is_activity: tells whether a message keeps the session from being idle; None: every one does.
            divert: gives binary messages to a function at once, and to nobody else; None leaves them to the reader.
            divert_text: offers text to a function at once; None leaves it to the reader.
            send_now: sends a message if the transport takes it at once, and tells whether it did; None: nothing can.
            patient: whether a peer that does not read is waited for, not sent away.
            abort: cuts the connection without a close frame.
            clock: seconds, monotonic.
        """
        self._socket = socket
        self._limits = limits
        self._heartbeat = heartbeat
        self._on_failure = on_failure
        self._on_cancelled = on_cancelled
        self._on_congestion = on_congestion
        self._is_activity = is_activity
        self._divert = divert
        self._divert_text = divert_text
        self._send_now = send_now
        self._patient = patient
        self._abort = abort
        self._clock = clock
        self._outbox = Outbox(max_messages=limits.outbox_messages, max_size=limits.outbox_size)
        self._pulse = Pulse(
            clock(),
            idle_timeout=limits.idle_timeout,
            heartbeat_interval=limits.heartbeat_interval if heartbeat else 0.0,
        )
        self._jobs: dict[str, TaskHandle[None]] = {}
        self._cancelled: set[str] = set()
        self._spare: _Spare | None = None
        self._group: TaskGroup | None = None
        self._writing = anyio.CancelScope()
        self._ending: Ending | None = None
        self._congested = False
        self._drains = False
        self._is_writing = False
        self._is_diverted = False
        self._burst = 0
        self._burst_began = 0.0

    @property
    def jobs(self) -> int:
        """Jobs that have not ended."""
        return len(self._jobs)

    async def run(self, on_message: Callable[[Message], None], *, begin: Callable[[], None] | None = None) -> Ending:
        """Converse until either side closes; returns how it ended.

        `on_message` is called for each message in order and must not block; it may `post`, `start`, `cancel`, `close`.
        So may `begin`, which is called once before. Cancellation ends the session, its jobs first.
        """
        try:
            async with anyio.create_task_group() as self._group:
                if begin is not None:
                    begin()
                self._divert_to(on_message)
                if self._divert_text is not None:
                    self._divert_text(partial(self._take_text, on_message))
                self._group.start_soon(self._write)
                await self._read(on_message)
                self._group.cancel_scope.cancel()
        except ExceptionGroup:  # a fault of ours in a callback: told to the peer, and left to the server to log
            await self._say_fault()
            raise
        finally:
            if self._divert is not None:
                self._divert(None)
            if self._divert_text is not None:
                self._divert_text(None)
            self._ending = self._ending or Ending(GOING_AWAY, "cancelled")
            self._note_congestion(False)
        return self._ending

    def start(self, key: str, job: Job) -> None:
        """Start a job under a key that is unique among the session's jobs.

        Raises:
            InvalidInput: the key is in use.
            Overloaded: the session has as many jobs as it may.
            Draining: the server takes no new work.
            SessionClosed: the session is ending.
        """
        if self._ending is not None or self._group is None:
            raise SessionClosed("the session is not running")
        if self._drains:
            raise Draining("the server is restarting and takes no new work")
        if key in self._jobs:
            raise InvalidInput(f"id '{key}' is already in use by a request that has not ended", field="id")
        if self._limits.max_jobs and len(self._jobs) >= self._limits.max_jobs:
            raise Overloaded(f"{len(self._jobs)} requests of this connection wait, {self._limits.max_jobs} may")
        spare, self._spare = self._spare, None
        if spare is None or spare.next.done():  # it is if its task has just been cancelled
            self._jobs[key] = self._group.start_soon(self._work, key, job)
        else:
            self._jobs[key] = spare.task
            spare.next.set_result((key, job))

    def cancel(self, key: str) -> bool:
        """Cancel a job; returns whether there was one. It sends nothing more, and `on_cancelled` is told soon."""
        task = self._jobs.get(key)
        if task is None or key in self._cancelled:
            return False
        self._cancelled.add(key)
        task.cancel()
        return True

    async def room(self) -> None:
        """Wait until the peer has taken enough of what was sent. Cancelling is safe.

        Raises:
            SessionClosed: the session is ending.
        """
        if self._outbox.is_full:
            await self._outbox.room()
        self._check_open()

    async def send(self, message: Message) -> None:
        """Send a message of a job, waiting while the peer is slow. Cancelling is safe.

        Raises:
            SessionClosed: the session is ending.
        """
        self._check_open()
        if self._outbox.is_full:
            await self._outbox.room()
        # Nothing follows the answer to a cancel but its end, not even what had just got room. Who is not cancelled goes
        # on without a pause, so the room is still there.
        await anyio.lowlevel.checkpoint_if_cancelled()
        if not self._send_at_once(message):
            self._outbox.post(message)
            self._note_congestion(self._outbox.is_full)

    def post(self, message: Message) -> None:
        """Send a short message without waiting; nothing happens if the session is ending.

        A peer that does not read its replies is sent away (1008).
        """
        if self._ending is not None or self._send_at_once(message):
            return
        try:
            self._outbox.post(message)
        except Overflow:
            logger.info("closing: the peer does not read its replies")
            self.cut("replies are not read")
        else:
            self._note_congestion(self._outbox.is_full)

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """End the session: what is in the outbox still goes out, then the close frame. Later calls do nothing."""
        if self._ending is None:
            self._ending = Ending(code, reason)
            for task in self._jobs.values():
                task.cancel()
            self._writing.deadline = asyncio.get_running_loop().time() + CLOSE_SECONDS
            self._outbox.wake()

    def cut(self, reason: str) -> None:
        """End the session at once, without what is in the outbox."""
        self._ending = Ending(POLICY, reason)
        if self._abort is not None:
            self._abort()
        if self._group is not None:
            self._group.cancel_scope.cancel()

    def drain(self) -> None:
        """Take no new jobs, and close (1012) when none is left."""
        self._drains = True
        if not self._jobs:
            self.close(SERVICE_RESTART, "server is restarting")

    async def _read(self, on_message: Callable[[Message], None]) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._ending = Ending(message.get("code") or ABNORMAL, message.get("reason") or "")
                return
            text = message.get("text")
            self._hear(on_message, message["bytes"] if text is None else text)
            del message, text  # may be of megabytes, and the next one may be long in coming
            # Several messages may have come in one segment: let the writer and the jobs go between them.
            await asyncio.sleep(0)
            if self._patient:
                await self._outbox.room()
            self._divert_to(on_message)

    def _divert_to(self, on_message: Callable[[Message], None]) -> None:
        if self._divert is not None and not self._is_diverted and self._ending is None:
            self._is_diverted = True
            self._divert(partial(self._take, on_message))

    def _take(self, on_message: Callable[[Message], None], message: bytes) -> None:
        assert self._divert is not None
        if self._ending is None:
            try:
                self._hear(on_message, message)
            except Exception:
                # The server would cut the connection for it; as a fault in the reader, it is told to the peer.
                logger.exception("a message failed")
                self.close(INTERNAL, "internal error")
        if self._ending is not None or self._is_too_much():
            self._is_diverted = False
            self._divert(None)  # what else comes takes the slow way, where it waits or is ignored

    def _is_too_much(self) -> bool:
        """Count a diverted message; tell whether those behind it must let others work before."""
        now = self._clock()
        if now - self._burst_began > BURST_SECONDS:
            self._burst_began, self._burst = now, 0
        self._burst += 1
        return self._burst > BURST or (self._patient and self._outbox.is_full)

    def _take_text(self, on_message: Callable[[Message], None], text: str) -> bool:
        """Hear text, in no task of anybody's, where anyio begins none: so a task must wait for the job it may start."""
        if self._spare is None or self._spare.next.done() or self._ending is not None:
            return False
        try:
            self._hear(on_message, text)
        except Exception:
            logger.exception("a message failed")
            self.close(INTERNAL, "internal error")
        return True

    def _hear(self, on_message: Callable[[Message], None], message: Message) -> None:
        if self._is_activity is None or self._is_activity(message):
            self._pulse.received(self._clock())
        if self._ending is None:
            on_message(message)

    async def _work(self, key: str, job: Job) -> None:
        while True:
            task = self._jobs[key]
            await self._do(key, job)
            if key in self._cancelled or self._spare is not None or self._ending is not None:
                self._cancelled.discard(key)
                return
            del key, job
            self._spare = _Spare(task, asyncio.get_running_loop().create_future())
            key, job = await self._spare.next

    async def _do(self, key: str, job: Job) -> None:
        try:
            await job()
            self._confirm(key)
        except asyncio.CancelledError:
            self._confirm(key)
            self._cancelled.discard(key)
            raise
        except SessionClosed:
            pass
        except Exception as error:
            # One of the two borders: whatever a job raises becomes the peer's error reply, never the server's end.
            if self._on_failure is None:
                logger.exception("a job failed", extra={"job": key})
            else:
                self._on_failure(key, error)
        finally:
            del self._jobs[key]
            self._pulse.job_ended(self._clock())
            if self._drains and not self._jobs:
                self.close(SERVICE_RESTART, "server is restarting")
            self._outbox.wake()

    def _confirm(self, key: str) -> None:
        """Tell that a job was cancelled, also one that had nothing left to wait for, if it was."""
        if key in self._cancelled and self._ending is None and self._on_cancelled is not None:
            self._on_cancelled(key)

    async def _write(self) -> None:
        assert self._group is not None
        try:
            with self._writing:
                while self._ending is None:
                    await self._write_next()
                await self._finish(self._ending)
        except GONE as error:
            self._ending = self._ending or Ending(ABNORMAL, str(error))
        if self._writing.cancelled_caught and self._abort is not None:
            self._abort()
        self._group.cancel_scope.cancel()

    async def _write_next(self) -> None:
        message = self._outbox.take()
        if message is not None:
            await self._transmit(message)
        elif not self._beat():
            await self._outbox.wait(self._seconds_until_due())

    def _send_at_once(self, message: Message) -> bool:
        """Send a message if nothing is before it and the transport takes it; tell whether that was so."""
        if self._send_now is None or self._is_writing or self._outbox or not self._send_now(message):
            return False
        self._pulse.sent(self._clock())
        return True

    async def _transmit(self, message: Message) -> None:
        if self._send_now is None or not self._send_now(message):
            kind = "text" if isinstance(message, str) else "bytes"
            self._is_writing = True
            await self._socket.send({"type": "websocket.send", kind: message})
            self._is_writing = False
        self._pulse.sent(self._clock())
        self._note_congestion(self._outbox.is_full)

    async def _finish(self, ending: Ending) -> None:
        while (message := self._outbox.take()) is not None:
            await self._transmit(message)
        await self._socket.send({"type": "websocket.close", "code": ending.code, "reason": ending.reason})

    async def _say_fault(self) -> None:
        self._ending = Ending(INTERNAL, "internal error")
        with anyio.move_on_after(CLOSE_SECONDS), suppress(*GONE):
            await self._socket.send({"type": "websocket.close", "code": INTERNAL, "reason": "internal error"})

    def _beat(self) -> bool:
        match self._pulse.due(self._clock(), busy=bool(self._jobs)):
            case Due.IDLE:
                self.close(NORMAL, "idle timeout")
            case Due.HEARTBEAT if self._heartbeat is not None:
                self.post(self._heartbeat())
            case _:
                return False
        return True

    def _seconds_until_due(self) -> float | None:
        next_at = self._pulse.next_at(busy=bool(self._jobs))
        return None if next_at == float("inf") else max(0.0, next_at - self._clock())

    def _note_congestion(self, congested: bool) -> None:
        if congested != self._congested:
            self._congested = congested
            if self._on_congestion is not None:
                self._on_congestion(congested)

    def _check_open(self) -> None:
        if self._ending is not None:
            raise SessionClosed("the session is ending")
