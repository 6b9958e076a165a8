"""Worker processes that hold voice models, seen from the server: their health, and speech out of them.

For the backends whose programs stand on `app.tts.model_worker`. Nothing of their libraries is imported here.
"""

import logging
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    TextTooLong,
    Unavailable,
    VoiceNotFound,
    WorkerFailed,
)
from app.runtime.processes import Processes
from app.tts.model_worker import Introduction, Job, Refusal, decode_refusal, decode_sound
from app.tts.speech import Sound

log = logging.getLogger(__name__)

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES", "ONNX_PROVIDER")
"""What a worker needs to find libraries and devices; the server's secrets stay out of a process that parses chat."""


class ModelProcesses:
    """A pool of workers of one backend. An async context manager.

    Args:
        backend: its name.
        program: module and arguments, to be run by this Python.
        workers: processes; each holds its own copy of the models.
        job_timeout: seconds until a worker that does not come to an end is killed.
        grace: seconds that a worker has to finish speech that nobody wants any more; loading a model again after it
            was killed often takes longer.
        start_timeout: seconds that loading the first model may take.
        memory_bytes: bound of the address space of a worker, which is more than it really uses; None: no bound.
        advice: what to do if workers do not start.
    """

    def __init__(
        self,
        backend: str,
        program: Sequence[str],
        *,
        workers: int,
        job_timeout: float,
        grace: float,
        start_timeout: float,
        memory_bytes: int | None,
        advice: str,
    ) -> None:
        self.broken: dict[str, str] = {}
        """Voices that turned out to be unusable, and why."""
        self._backend = backend
        self._advice = advice
        self._memory_bytes = memory_bytes
        self._seen: bytes | None = None
        self._introduction = Introduction()
        self._processes = Processes(
            [sys.executable, "-m", *program],
            count=workers,
            job_timeout=job_timeout,
            grace=grace,
            start_timeout=start_timeout,
            max_frame_bytes=1024 * 1024,
            memory_bytes=memory_bytes,
            environment=_environment(),
        )

    async def __aenter__(self) -> Self:
        await self._processes.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._processes.__aexit__(kind, error, traceback)

    @property
    def introduction(self) -> Introduction:
        """What the worker that started last said of itself."""
        introduction = self._processes.introduction
        if introduction is not None and introduction != self._seen:
            self._seen = introduction
            self._introduction = Introduction.decode(introduction)
            self.broken |= self._introduction.broken
        return self._introduction

    @property
    def voices(self) -> dict[str, Any]:
        """What the workers say of each voice that is not broken."""
        voices = self.introduction.voices
        return {name: about for name, about in voices.items() if name not in self.broken}

    @property
    def problem(self) -> str | None:
        """Why nothing can be spoken now, and what to do about it; None if something can."""
        if not self._processes.usable:
            trouble = f"no {self._backend} worker starts, more tries follow ({self._processes.trouble})"
            return f"{trouble}; {self._memory_advice()}{self._advice}"
        if reason := self.introduction.problem:
            return self._advised(reason)
        if not self.voices:
            return self._advised("; ".join(f"{name} is broken ({why})" for name, why in self.broken.items()))
        return None

    async def speak(self, job: Job, voice_id: str) -> AsyncGenerator[Sound, None]:
        """Yield the speech as it is made.

        Raises:
            VoiceNotFound: the worker has no such voice, or its model is broken.
            TextTooLong: the text makes more than the job's `max_seconds`.
            BackendUnavailable: no worker starts, or none of its voices can be used.
            WorkerFailed: it broke on this text.
            DeadlineExceeded: it came to no end.
        """
        try:
            async with aclosing(self._processes.call(job.encode())) as chunks:
                async for chunk in chunks:
                    yield decode_sound(chunk)
        except DeadlineExceeded:
            raise
        except Unavailable as error:
            raise BackendUnavailable(self._backend, reason=self.problem or str(error)) from error
        except WorkerFailed as error:
            self._explain(error, job, voice_id)
            raise

    def _explain(self, error: WorkerFailed, job: Job, voice_id: str) -> None:
        """Raise what the worker's answer means."""
        if not error.answer:
            return
        refusal, reason = decode_refusal(error.answer)
        match refusal:
            case Refusal.VOICE:
                raise VoiceNotFound(voice_id, backend=self._backend) from error
            case Refusal.BROKEN:
                log.warning("voice '%s' of %s is broken: %s", voice_id, self._backend, reason)
                self.broken[job.voice] = reason
                raise VoiceNotFound(voice_id, backend=self._backend) from error
            case Refusal.TOO_LONG:
                limit = int(job.max_seconds)
                raise TextTooLong(reason, length=limit + 1, limit=limit, unit="seconds") from error
            case Refusal.MEMORY:
                raise BackendUnavailable(self._backend, reason=self._advised(reason)) from error
            case Refusal.FAILED:
                raise WorkerFailed(reason, answer=error.answer) from error

    def _advised(self, reason: str) -> str:
        return f"{reason}: {self._memory_advice() if 'memory' in reason else ''}{self._advice}"

    def _memory_advice(self) -> str:
        if self._memory_bytes is None:
            return ""
        return f"a worker may take {self._memory_bytes // 1024**2} MiB, give it more if that is too little, or else "


def fingerprint(path: Path) -> str:
    """Return what changes when a model's file does, without reading all of it: its size and time, in hexadecimal."""
    status = path.stat()
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


def _environment() -> dict[str, str]:
    root = Path(__file__).parents[2]
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}
