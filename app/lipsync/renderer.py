"""The lip-sync engine: takes orders, has each wait for its turn, and lets pictures speak until their time is over."""

import threading
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Final, TypeVar

import anyio

from app.audio.decode import announced_seconds
from app.errors import DeadlineExceeded, InvalidAudio
from app.lipsync.clip import Opening, Order, Portrayal, Progress
from app.lipsync.engines import Engines
from app.lipsync.handover import Stopped
from app.lipsync.pipeline import Bounds, Pipeline
from app.lipsync.portraits import Portraits
from app.lipsync.speeds import Speeds
from app.lipsync.stages import Stage, Stages
from app.runtime.queue import WaitingLine
from app.runtime.workers import Workers

PORTRAIT_POOL: Final = "portraits"
"""Name of the threads that draw: one for each portrait that is drawn at the same time."""
JUDGED_FRAMES = 50
"""After which a job's own speed says whether it can be in time."""
PATIENCE = 1.25
"""By which it may be too slow then: machines have better moments."""

Result = TypeVar("Result")
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one order may be."""

    timeout: float = 300.0
    """Seconds from the order to the whole video, waiting included."""
    max_seconds: float = 3600.0
    """Of sound."""
    max_audio_bytes: int = 50 * 2**20
    max_film_seconds: float = 120.0
    """Of a film, which is played forth and back for as long as the sound lasts."""
    encoder_threads: int = 1
    """That x264 may use for one video."""


@dataclass(slots=True)
class _Job:
    """One order that has its turn."""

    order: Order
    deadline: float
    """By the clock."""
    began: float
    stage: Stage
    expected: int | None
    pipeline: Pipeline
    is_open: bool = False
    """Whether it was told what the stream will be."""
    busy_seconds: float = 0.0
    """That it has been drawn for, without those in which nobody took what was drawn."""
    video_bytes: int = 0


class Renderer:
    """Lets pictures speak.

    Args:
        engines: who can draw.
        portraits: finds faces, and keeps what was found.
        workers: has the pool `portraits`, with as many threads as portraits are drawn at once.
        line: where orders wait for their turn.
        limits: of an order.
        speeds: what is known of how fast this machine draws.
        clock: seconds, monotonic.
        timer: ends what is done within it after so many of them.
    """

    def __init__(
        self,
        engines: Engines,
        portraits: Portraits,
        workers: Workers,
        *,
        line: WaitingLine,
        limits: Limits,
        speeds: Speeds | None = None,
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float], AbstractContextManager[object]] = anyio.move_on_after,
    ) -> None:
        self.line = line
        self.engines = engines
        self._workers = workers
        self._limits = limits
        self._speeds = speeds or Speeds()
        self._stages = Stages(
            engines,
            portraits,
            self._speeds,
            max_film_seconds=limits.max_film_seconds,
            at_once=line.concurrency,
        )
        self._clock = clock
        self._timer = timer

    async def render(self, order: Order, *, client: Hashable, on_progress: OnProgress | None = None) -> Portrayal:
        """Return the whole video, its index first. Whose turn it takes is `client`.

        `on_progress` is called on the event loop, some ten times a second at most.

        Cancellation: ends the work, and returns when nothing of it is left.

        Raises:
            InvalidInput: one of its subclasses, for a picture, a film, a sound, a face or an option.
            Unavailable: a film, and nobody who can draw in films.
            QueueFull: too many wait.
            DeadlineExceeded: it is not done in time, or cannot be.
            Overloaded: the memory of the device does not suffice.
        """
        async with aclosing(self._play(order, client, on_progress, is_streamed=False)) as parts:
            async for part in parts:
                if isinstance(part, Portrayal):
                    return part
        raise AssertionError("a portrait has ended without a result")

    async def stream(
        self, order: Order, *, client: Hashable, on_progress: OnProgress | None = None
    ) -> AsyncGenerator[Opening | bytes | Portrayal, None]:
        """Yield what the video will be, the video in fragments as they come, and then what has become of it.

        Every fragment is a run of whole boxes. Who does not take the fragments makes the drawing wait, but not the
        clock of the deadline. Leave it by `aclosing`; everything else is as with `render`.
        """
        async with aclosing(self._play(order, client, on_progress, is_streamed=True)) as parts:
            async for part in parts:
                yield part

    async def _play(
        self, order: Order, client: Hashable, on_progress: OnProgress | None, *, is_streamed: bool
    ) -> AsyncGenerator[Opening | bytes | Portrayal, None]:
        deadline = self._clock() + self._limits.timeout
        async with self.line.turn(client, patience=self._limits.timeout):
            prepare = partial(self._prepare, order, deadline, is_streamed)
            job = await self._until(deadline, prepare, None)
            try:
                while True:
                    since = self._clock()
                    step = await self._until(deadline, job.pipeline.advance, job)
                    job.busy_seconds += self._clock() - since
                    job.video_bytes += len(step.data)
                    if on_progress is not None:
                        on_progress(Progress(step.frames, job.expected))
                    if step.is_last:
                        break
                    if step.data:
                        for part in _parts(job, step.data):
                            yield part
                    self._judge(job)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._workers.run(PORTRAIT_POOL, partial(self._end, job))
            if is_streamed:
                for part in _parts(job, step.data):
                    yield part
            yield self._portrayal(job, b"" if is_streamed else step.data)

    async def _until(self, deadline: float, function: Callable[[threading.Event], Result], job: _Job | None) -> Result:
        """Run a part of a job in its thread, as long as there is time."""
        left = deadline - self._clock()
        if left > 0:
            with self._timer(left):
                try:
                    return await self._workers.run_stoppable(PORTRAIT_POOL, function)
                except Stopped:
                    await anyio.lowlevel.checkpoint_if_cancelled()
        done = f": {job.pipeline.frames} of about {job.expected or '?'} frames were" if job else ""
        raise DeadlineExceeded(f"the portrait was not drawn within {self._limits.timeout:g} s{done}")

    def _prepare(self, order: Order, deadline: float, is_streamed: bool, stop: threading.Event) -> _Job:
        began = self._clock()
        expected = self._expected(order)
        stage = self._stages.prepare(order, expected, lambda: deadline - self._clock(), stop)
        pipeline = Pipeline(
            order,
            stage.performance,
            stage.size,
            is_streamed=is_streamed,
            bounds=Bounds(self._limits.max_seconds, self._limits.max_audio_bytes),
            encoder_threads=self._limits.encoder_threads,
            clock=self._clock,
        )
        return _Job(order, deadline, began, stage, expected, pipeline)

    def _expected(self, order: Order) -> int | None:
        """Return how many frames the sound probably needs; refuse what is too long before anything is done."""
        seconds = announced_seconds(order.audio, pcm_rate=order.pcm_rate)
        if seconds is None:
            return None
        if seconds > self._limits.max_seconds:
            most = self._limits.max_seconds
            raise InvalidAudio(f"audio has {seconds:.0f} s: at most {most:g}", field="audio")
        return ceil(seconds * order.fps)

    def _judge(self, job: _Job) -> None:
        """End a job that is too slow to be in time, when that is clear."""
        frames = job.pipeline.frames
        if job.expected is None or frames < JUDGED_FRAMES:
            return
        now = self._clock()
        needed = job.busy_seconds / frames * (job.expected - frames)
        if needed > PATIENCE * (job.deadline - now):
            raise DeadlineExceeded(
                f"{frames} of about {job.expected} frames are drawn after {now - job.began:.0f} s; the others would "
                f"take another {needed:.0f} s; {job.deadline - now:.0f} s are left"
            )

    def _end(self, job: _Job) -> None:
        job.pipeline.close()
        self._stages.give_back(job.stage)

    def _portrayal(self, job: _Job, video: bytes) -> Portrayal:
        pipeline, order, stage = job.pipeline, job.order, job.stage
        width, height = stage.size
        now = self._clock()
        self._speeds.learn(
            stage.pace,
            pixels=width * height,
            frames=pipeline.frames,
            seconds=job.busy_seconds,
        )
        return Portrayal(
            model_used=stage.model_used,
            requested_model=order.model,
            fallback_reason=stage.fallback_reason,
            faces=stage.faces,
            is_rough=stage.is_rough,
            frames=pipeline.frames,
            duration=pipeline.duration,
            fps=order.fps,
            width=width,
            height=height,
            codecs=pipeline.codecs,
            inference_fps=pipeline.frames / max(pipeline.drawing_seconds, 1e-9),
            seconds=now - job.began,
            video=video,
            video_bytes=job.video_bytes,
        )


def _parts(job: _Job, data: bytes) -> Iterator[Opening | bytes]:
    """Return what a stream yields of its next bytes: before the first of them, what it will be."""
    if not job.is_open:
        job.is_open = True
        stage, (width, height) = job.stage, job.stage.size
        yield Opening(
            model_used=stage.model_used,
            requested_model=job.order.model,
            fallback_reason=stage.fallback_reason,
            fps=job.order.fps,
            width=width,
            height=height,
            codecs=job.pipeline.codecs,
        )
    if data:
        yield data
