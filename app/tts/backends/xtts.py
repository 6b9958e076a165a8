"""XTTS-v2: seventeen languages in any voice of which there is a recording, by coqui-tts in a worker process.

For those who have a GPU: on a CPU it speaks slower than it is heard. Torch, coqui-tts and the model live in one process
of its own (`xtts_worker`), maybe of another Python; the server imports none of it. The weights are under the Coqui
Public Model License, which allows non-commercial use only, so nothing is loaded before the user has agreed to it.

Waiting for a cancelled speech takes as long as the chunk that is being made; see `xtts_messages`.
"""

import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from itertools import count
from pathlib import Path

import anyio

from app.errors import BackendUnavailable, DeadlineExceeded, TextTooLong, Unavailable, VoiceNotFound, WorkerFailed
from app.runtime.processes import Processes
from app.tts import pieces
from app.tts.backend import Health, Traits, unpitched
from app.tts.backends import xtts_worker
from app.tts.backends.xtts_messages import (
    NO_SUCH_VOICE,
    Continue,
    Introduction,
    Start,
    decode_chunk,
    encode,
)
from app.tts.backends.xtts_voices import BACKEND, Catalogue
from app.tts.speech import Sound, Utterance, Voice

log = logging.getLogger(__name__)

SAMPLE_RATE = 24_000
"""Hz, of all that the model makes."""

LICENCE = (
    "the weights of XTTS-v2 are under the Coqui Public Model License (CPML): non-commercial use only, of the speech too"
)
AGREE = "read it (LICENSE.txt beside the weights) and, if you agree, set COQUI_TOS_AGREED=1 and restart the server"

MODEL_FILES = ("config.json", "model.pth", "vocab.json")

SPINS = "1000"
"""That a thread of torch makes before it sleeps, of GNU's OpenMP; by itself it takes 300,000."""

_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "PYTORCH_CUDA_ALLOC_CONF",
)
"""What a worker gets of the server's environment; the secrets in it stay out of a process that parses chat."""


class Xtts:
    """Speech by XTTS-v2 in one worker process, one utterance at a time.

    Args:
        folder: holds `config.json`, `model.pth`, `vocab.json`, maybe `speakers_xtts.pth` (the model's own speakers),
            and in `voices/` the recordings of others (`xtts_latents`).
        agreed: whether the user has agreed to the licence of the weights.
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:1`.
        python: interpreter that has coqui-tts; the server's own is the default.
        threads: of the CPU; 0 leaves it to torch, which takes every core.
        patience: seconds that `running` waits for the model at the start; it goes on loading after that.
        load_timeout: seconds until a model that is not loaded yet is given up.
        job_timeout: seconds that one chunk may take.
        grace: seconds that a chunk nobody wants any more may take, before its process and the model in it are ended.
        max_seconds: of speech that one utterance may make.
        stream_tokens: of the model in one chunk of a stream; 20 are 0.9 s of speech.
        whole_tokens: the same for whole speech: fewer chunks cost less, and cancelling waits longer.
        engine: module that loads the model in the worker.
        is_male: tells of the voices of other backends whether they are known to be male.
    """

    name = BACKEND
    sample_rate = SAMPLE_RATE
    concurrency = 1
    traits = Traits(fidelity=3, is_costly=True, is_gradual=True)

    def __init__(
        self,
        folder: Path,
        *,
        agreed: bool,
        device: str = "auto",
        python: str = sys.executable,
        threads: int = 0,
        patience: float = 0.0,
        load_timeout: float = 300.0,
        job_timeout: float = 60.0,
        grace: float = 20.0,
        max_seconds: float = 240.0,
        stream_tokens: int = 20,
        whole_tokens: int = 100,
        engine: str = "app.tts.backends.xtts_engine",
        is_male: Callable[[str], bool] = lambda voice_id: False,
    ) -> None:
        self._folder = folder
        self._agreed = agreed
        self._patience = patience
        self._max_samples = round(max_seconds * SAMPLE_RATE)
        self._max_seconds = max_seconds
        self._stream_tokens = stream_tokens
        self._whole_tokens = whole_tokens
        self._is_male = is_male
        self._make_pool: Callable[[], Processes] = lambda: Processes(
            [python, "-W", "ignore", "-m", xtts_worker.__name__]
            + [engine, str(folder.absolute()), str(folder.absolute() / "voices"), device, str(threads)],
            count=1,
            job_timeout=job_timeout,
            grace=grace,
            start_timeout=load_timeout,
            max_restart_delay=300.0,
            max_frame_bytes=xtts_worker.MAX_REQUEST_BYTES,
            environment=_environment(),
        )
        self._processes: Processes | None = None
        self._reason = "it has not been started"
        self._settled = anyio.Event()
        self._numbers = count(1)
        self._turn = anyio.Semaphore(1)
        self._introduction = Introduction(self._reason)
        self._introduced: bytes | None = None
        self._catalogue = Catalogue(self._introduction, is_male=is_male)
        self._gpu_memory_usage: float | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Begin to load the model, if the user agreed to its licence; end its process on exit."""
        stack = AsyncExitStack()
        obstacle = self._obstacle()
        if obstacle is None:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            self._reason = "the model is being loaded: wait a minute"
            self._settled = anyio.Event()
            group.start_soon(self._keep)
        else:
            self._reason = obstacle
        try:
            if obstacle is None:
                with anyio.move_on_after(self._patience):
                    await self._settled.wait()
            yield
        finally:
            await stack.aclose()
            self._reason = "it has been stopped"

    def health(self) -> Health:
        """Tell at once, without speaking; the memory is that of the last chunk."""
        try:
            self._ready_processes()
        except BackendUnavailable as error:
            return Health(available=False, reason=error.reason)
        return Health(available=True, gpu_memory_usage=self._gpu_memory_usage)

    def voices(self) -> Sequence[Voice]:
        """Every language with every speaker: recordings in alphabetical order, then the model's own."""
        return self._known().listed if self.health().available else ()

    def find_voice(self, voice_id: str) -> Voice:
        """Return `zh-cn+anna`, or `zh-cn`, the first speaker.

        Raises:
            VoiceNotFound: there is no such language or speaker.
        """
        return self._known().find(voice_id)

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        """Return the voice for a language, of the same speaker or gender as `like`.

        Raises:
            VoiceNotFound: the model does not speak it, or there is no speaker.
        """
        return self._known().choose(language, like=like)

    def reach(self, utterance: Utterance) -> Utterance:
        """The model has one melody for a text."""
        return unpitched(utterance)

    async def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield int16 PCM, chunk by chunk as the model makes it. The model knows no times of words.

        Raises:
            VoiceNotFound: there is no such voice.
            TextTooLong: the text makes more than `max_seconds` of speech.
            BackendUnavailable: there is no model, or it is being loaded.
            WorkerFailed: this text or recording cannot be used, or the memory is too small for it.
            WorkerLost: the process ended in the middle.
            DeadlineExceeded: a chunk took too long.
        """
        async with self._turn:
            self._ready_processes()
            request: Start | Continue = self._start(utterance, whole=whole)
            samples = 0
            while (pcm := await self._pull(request, utterance)) is not None:
                samples += len(pcm) // 2
                if samples > self._max_samples:
                    raise self._too_long(utterance, samples)
                yield Sound(pcm)
                request = Continue(request.speech)

    async def _keep(self) -> None:
        """Have a worker until cancelled, unless the first start shows that there cannot be one."""
        log.warning("loading XTTS-v2: %s", LICENCE)
        try:
            async with self._make_pool() as processes:
                trouble = _trouble(processes)
                if trouble is None:
                    self._processes = processes
                    log.info("xtts speaks with %s on %s", self._folder, self._introduce(processes).device)
                    self._settled.set()
                    await anyio.sleep_forever()
                self._reason = trouble or self._reason
        finally:
            self._processes = None
        log.warning("xtts does not speak: %s", self._reason)
        self._settled.set()

    def _obstacle(self) -> str | None:
        """Tell what stands in the way of a start, None if nothing does."""
        missing = [name for name in MODEL_FILES if not (self._folder / name).is_file()]
        if not self._agreed:
            return f"{LICENCE}; {AGREE}"
        if missing:
            fetch = "run `scripts/download_models xtts` (2 GB) and restart the server"
            return f"no model: {', '.join(missing)} missing in {self._folder}; {fetch}"
        return None

    def _ready_processes(self) -> Processes:
        """Return the pool if its worker can speak now: nobody waits for a model that is being loaded again."""
        processes = self._processes
        reason = self._reason
        if processes is not None:
            if not processes.alive:
                reason = f"the model is being loaded again ({processes.trouble or 'its process ended'}): wait a minute"
            elif trouble := self._introduce(processes).trouble:
                reason = trouble
            elif not self._catalogue.listed:
                reason = f"it has no voice: put a recording into {self._folder / 'voices'} and restart the server"
            else:
                return processes
        raise BackendUnavailable(self.name, reason=reason)

    def _introduce(self, processes: Processes) -> Introduction:
        """Return the introduction of the worker that started last."""
        data = processes.introduction
        if data is not None and data != self._introduced:
            self._introduced = data
            self._introduction = Introduction.decode(data)
            self._catalogue = Catalogue(self._introduction, is_male=self._is_male)
            self._gpu_memory_usage = self._introduction.gpu_memory_usage
        return self._introduction

    def _known(self) -> Catalogue:
        if self._processes is not None:
            self._introduce(self._processes)
        return self._catalogue

    def _start(self, utterance: Utterance, *, whole: bool) -> Start:
        known = self._known()
        language, speaker = known.parts(utterance.voice)
        text = utterance.text.encode("utf-8", "replace").decode()  # half surrogates become question marks
        return Start(
            next(self._numbers),
            tuple(pieces.split(text, size=known.limit(utterance.voice), language=utterance.voice.language)),
            language=language,
            speaker=speaker,
            speed=utterance.speed,
            chunk_tokens=self._whole_tokens if whole else self._stream_tokens,
        )

    async def _pull(self, request: Start | Continue, utterance: Utterance) -> bytes | None:
        """Return the next chunk, None at the end."""
        processes = self._ready_processes()
        try:
            async with aclosing(processes.call(encode(request))) as answer:
                chunks = [chunk async for chunk in answer]
        except DeadlineExceeded:
            raise
        except Unavailable as error:
            raise BackendUnavailable(self.name, reason=str(error)) from error
        except WorkerFailed as error:
            if error.answer == NO_SUCH_VOICE:
                raise VoiceNotFound(utterance.voice.id, backend=self.name) from error
            raise
        if not chunks:
            return None
        self._gpu_memory_usage, pcm = decode_chunk(chunks[0])
        return pcm

    def _too_long(self, utterance: Utterance, samples: int) -> TextTooLong:
        limit = int(self._max_seconds)
        message = f"text of {len(utterance.text)} characters makes more than {limit} seconds of speech"
        return TextTooLong(message, length=samples // SAMPLE_RATE, limit=limit, unit="seconds")


def _trouble(processes: Processes) -> str | None:
    """Tell why a pool that has just started cannot speak, None if it can."""
    if processes.introduction is None:
        trouble = processes.trouble or "it never said a word"
        memory = "loading takes twice the size of model.pth in memory, free as much"
        other = "see the log, then reinstall the extra `xtts` or fetch the model again"
        return f"its process does not start ({trouble}): {memory if 'SIGKILL' in trouble else other}"
    return Introduction.decode(processes.introduction).trouble


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    root = Path(__file__).parents[3]
    # Threads of torch that wait for each other awake take the cores from what they wait for: beside other work a chunk
    # took 3.8 s, and 0.7 s where they fall asleep soon; alone 0.30 and 0.31 s.
    if not kept.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        kept["GOMP_SPINCOUNT"] = SPINS
    return {**kept, "PYTHONPATH": str(root), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
