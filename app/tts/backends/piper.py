"""Neural voices by piper, in worker processes of their own or on a piper HTTP server somewhere else.

piper (the extra `piper`) is GPL-3.0-or-later: only its worker's program imports it (`piper_worker`). Its voices are
files below the models' folder, `piper/zh_CN-huayan-medium.onnx` and `.onnx.json`; `scripts/download_models` fetches
them. With a URL nothing of that is needed here (`piper_server`).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from app.errors import BackendUnavailable
from app.tts.backend import Health, Traits, unpitched
from app.tts.backends import piper_worker
from app.tts.backends.piper_server import PRIVATE_NETWORKS, PiperServer
from app.tts.backends.piper_voices import BACKEND, Catalogue, Model, is_neutral
from app.tts.model_processes import ModelProcesses
from app.tts.model_worker import Job
from app.tts.speech import Gender, Sound, Utterance, Voice

INSTALL = "run `pip install 'chorus-live[piper]'` and restart the server"
DOWNLOAD = "run `scripts/download_models zh_CN-huayan-medium` and restart the server"
ADVICE = (
    "run `scripts/download_models zh_CN-huayan-medium`, or `pip install --force-reinstall 'chorus-live[piper]'`, "
    "and restart the server"
)
SPEEDS = (0.25, 4.0)
"""Beyond, the phonemes fall apart."""


class Source(Protocol):
    """Where piper runs."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Start it; stop it on exit. Raises nothing because something is missing."""

    @property
    def problem(self) -> str | None:
        """Why it cannot speak now, and what to do about it."""

    @property
    def models(self) -> Mapping[str, Model]:
        """Its voices by name."""

    def speak(self, job: Job, model: Model, voice: Voice, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield the speech; raises what `Backend.synthesize` raises."""


class Piper:
    """Speech by piper.

    Args:
        models: the models' folder; voices are in `piper` below it.
        url: of a piper HTTP server that speaks instead of workers here: `http://10.0.0.7:5000`.
        allowed_networks: besides the public internet, where that server may be.
        refresh: seconds between two looks at that server's voices, which also tell whether it is there.
        workers: processes; each uses all cores for a sentence and holds its own copy of the voices.
        voices_in_memory: in each worker, some 100 MB each.
        warm: names of voices to have in memory from the start; the first that can be loaded is.
        max_seconds: of speech that one utterance may make.
        job_timeout: seconds until a worker, or the server, that does not come to an end is given up.
        grace: seconds that a worker has to finish speech that nobody wants any more.
        start_timeout: seconds that a worker has to load its first voice.
        memory_bytes: bound of the address space of a worker.
        gender_of: what is known of voices of other backends, by their ids.
        has_package: whether piper is installed.
    """

    name = BACKEND
    sample_rate = piper_worker.SAMPLE_RATE
    traits = Traits(fidelity=2, is_costly=True)

    def __init__(
        self,
        models: Path,
        *,
        url: str = "",
        allowed_networks: Iterable[str] = PRIVATE_NETWORKS,
        refresh: float = 30.0,
        workers: int = 1,
        voices_in_memory: int = 3,
        warm: Sequence[str] = (),
        max_seconds: float = 240.0,
        job_timeout: float = 60.0,
        grace: float = 3.0,
        start_timeout: float = 60.0,
        memory_bytes: int | None = 4 * 1024**3,
        gender_of: Callable[[str], Gender] = is_neutral,
        has_package: Callable[[], bool] = lambda: find_spec("piper") is not None,
    ) -> None:
        self.concurrency = workers
        self._max_seconds = max_seconds
        self._gender_of = gender_of
        self._known: Mapping[str, Model] = {}
        self._catalogue = Catalogue((), gender_of=gender_of)
        self._is_running = False
        self._source: Source
        if url:
            self._source = PiperServer(
                url,
                allowed_networks=allowed_networks,
                deadline=job_timeout,
                refresh=refresh,
                longest=max_seconds,
            )
        else:
            self._source = PiperWorkers(
                models / BACKEND,
                lambda: ModelProcesses(
                    BACKEND,
                    (piper_worker.__name__, str(models / BACKEND), str(voices_in_memory), *warm),
                    workers=workers,
                    job_timeout=job_timeout,
                    grace=grace,
                    start_timeout=start_timeout,
                    memory_bytes=memory_bytes,
                    advice=ADVICE,
                ),
                has_package=has_package,
            )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the workers, or ask the server for its voices; end on exit, with whatever is still spoken."""
        async with self._source.running():
            self._is_running = True
            try:
                yield
            finally:
                self._is_running = False

    def health(self) -> Health:
        """Tell at once, without speaking."""
        reason = self._source.problem if self._is_running else "it is not running"
        return Health(available=reason is None, reason=reason)

    def voices(self) -> Sequence[Voice]:
        """All voices by name, each with its speakers if they are few."""
        return self._voices().listed if self.health().available else ()

    def find_voice(self, voice_id: str) -> Voice:
        """Return `zh_CN-huayan-medium`, or a speaker of a model: `en_US-libritts-high#p3922`.

        Raises:
            VoiceNotFound: there is no such voice.
        """
        return self._voices().find(voice_id)

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        """Return the best voice of a language, female unless `like` is known to be male.

        Raises:
            VoiceNotFound: no voice speaks it.
        """
        return self._voices().choose(language, like=like)

    def reach(self, utterance: Utterance) -> Utterance:
        """The model has one melody for a text."""
        return unpitched(utterance)

    async def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield the speech sentence by sentence, with the times of words and phonemes where the model tells them.

        Raises:
            VoiceNotFound: there is no such voice, or its model turned out to be broken.
            TextTooLong: the text makes more than `max_seconds` of speech.
            BackendUnavailable: no worker starts, there is not enough memory, or the server is away.
            WorkerFailed: piper broke on this text.
            WorkerLost: it died of this text.
            DeadlineExceeded: it came to no end.
        """
        if reason := self.health().reason:
            raise BackendUnavailable(self.name, reason=reason)
        name, speaker = self._voices().sound(utterance.voice.id)
        job = Job(
            utterance.text,
            voice=name if speaker is None else f"{name}#{speaker}",
            speed=min(max(utterance.speed, SPEEDS[0]), SPEEDS[1]),
            max_seconds=self._max_seconds,
            whole=whole,
            marks=utterance.marks,
        )
        async with aclosing(self._source.speak(job, self._known[name], utterance.voice, whole=whole)) as sounds:
            async for sound in sounds:
                yield sound

    def _voices(self) -> Catalogue:
        """The catalogue of the voices that can be used now."""
        models = self._source.models
        if models != self._known:
            self._known = models
            self._catalogue = Catalogue(models.values(), gender_of=self._gender_of)
        return self._catalogue


class PiperWorkers:
    """piper in processes of this machine; `start` makes them."""

    def __init__(self, folder: Path, start: Callable[[], ModelProcesses], *, has_package: Callable[[], bool]) -> None:
        self._folder = folder
        self._start = start
        self._has_package = has_package
        self._processes: ModelProcesses | None = None
        self._reason = "it is not running"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the processes, if all that they need is there."""
        if absent := self._absent():
            self._reason = absent
            yield
            return
        async with self._start() as self._processes:
            try:
                yield
            finally:
                self._processes = None

    @property
    def problem(self) -> str | None:
        """Why nothing can be spoken now."""
        return self._processes.problem if self._processes else self._reason

    @property
    def models(self) -> Mapping[str, Model]:
        """The voices that are not broken."""
        return {name: Model(**about) for name, about in self._processes.voices.items()} if self._processes else {}

    async def speak(self, job: Job, model: Model, voice: Voice, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield the speech as the worker makes it, a sentence at a time in any case."""
        if self._processes is None:
            raise BackendUnavailable(BACKEND, reason=self._reason)
        async with aclosing(self._processes.speak(job, voice.id)) as sounds:
            async for sound in sounds:
                yield sound

    def _absent(self) -> str | None:
        if not self._has_package():
            return f"the package piper-tts (GPL-3.0-or-later) is not installed: {INSTALL}"
        if not any(self._folder.glob("*.onnx")):
            return f"there is no voice in {self._folder}: {DOWNLOAD}"
        return None
