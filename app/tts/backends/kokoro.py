"""Neural voices by Kokoro (Apache-2.0), through kokoro-onnx (MIT) in worker processes of their own.

In processes because kokoro-onnx reads texts with espeak-ng, which is GPL-3.0-or-later and can be crashed by a text.
The two files of the model are below the models' folder, `kokoro/kokoro-v1.0.onnx` and `kokoro/voices-v1.0.bin`;
`scripts/download_models kokoro` fetches them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from app.errors import BackendUnavailable
from app.tts.backend import Health, Traits, unpitched
from app.tts.backends import kokoro_worker
from app.tts.backends.kokoro_voices import BACKEND, Catalogue, is_neutral
from app.tts.model_processes import ModelProcesses, fingerprint
from app.tts.model_worker import Job
from app.tts.speech import Gender, Sound, Utterance, Voice

INSTALL = "run `pip install 'chorus-live[kokoro]'` and restart the server"
DOWNLOAD = "run `scripts/download_models kokoro` and restart the server"
ADVICE = (
    "run `scripts/download_models kokoro`, or `pip install --force-reinstall 'chorus-live[kokoro]'`, "
    "and restart the server"
)
NOT_RUNNING = "it is not running"


class Kokoro:
    """Speech by Kokoro.

    Args:
        models: the models' folder; the files are in `kokoro` below it.
        model: the name of the model's file: `kokoro-v1.0.int8.onnx` is smaller, and not faster everywhere.
        voices: the name of the voices' file.
        workers: processes; each uses all cores and holds its own copy of the model, some 700 MB.
        max_seconds: of speech that one utterance may make.
        job_timeout: seconds until a worker that does not come to an end is killed.
        grace: seconds that a worker has to finish speech that nobody wants any more.
        start_timeout: seconds that a worker has to load the model.
        memory_bytes: bound of the address space of a worker.
        gender_of: what is known of voices of other backends, by their ids.
        has_package: whether kokoro-onnx is installed.
    """

    name = BACKEND
    sample_rate = kokoro_worker.SAMPLE_RATE
    traits = Traits(fidelity=3, is_costly=True)

    def __init__(
        self,
        models: Path,
        *,
        model: str = "kokoro-v1.0.onnx",
        voices: str = "voices-v1.0.bin",
        workers: int = 1,
        max_seconds: float = 240.0,
        job_timeout: float = 120.0,
        grace: float = 5.0,
        start_timeout: float = 120.0,
        memory_bytes: int | None = 6 * 1024**3,
        gender_of: Callable[[str], Gender] = is_neutral,
        has_package: Callable[[], bool] = lambda: find_spec("kokoro_onnx") is not None,
    ) -> None:
        self.concurrency = workers
        self._files = (models / BACKEND / model, models / BACKEND / voices)
        self._max_seconds = max_seconds
        self._job_timeout = job_timeout
        self._grace = grace
        self._start_timeout = start_timeout
        self._memory_bytes = memory_bytes
        self._gender_of = gender_of
        self._has_package = has_package
        self._reason = NOT_RUNNING
        self._processes: ModelProcesses | None = None
        self._version = ""
        self._names: tuple[str, ...] = ()
        self._catalogue = Catalogue((), gender_of=gender_of)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the workers, if all that they need is there; end them on exit, with whatever they still speak."""
        if absent := self._absent():
            self._reason = absent
            yield
            return
        self._version = " ".join(map(fingerprint, self._files))
        async with self._make_processes() as self._processes:
            try:
                yield
            finally:
                self._reason, self._processes = NOT_RUNNING, None

    def health(self) -> Health:
        """Tell at once, without speaking."""
        reason = self._processes.problem if self._processes else self._reason
        return Health(available=reason is None, reason=reason)

    def voices(self) -> Sequence[Voice]:
        """The voices of the file whose languages can be read here, by name; mixtures are not listed."""
        return self._voices().listed if self.health().available else ()

    def find_voice(self, voice_id: str) -> Voice:
        """Return `af_bella`, or a mixture of up to eight: `af_bella+af_sky`, `af_bella(2)+af_sky(1)`.

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
        """Yield the speech clause by clause, with the times of phonemes and words if the model tells them.

        Speeds beyond 0.5 to 2 are spoken at these.

        Raises:
            VoiceNotFound: there is no such voice.
            TextTooLong: the text makes more than `max_seconds` of speech.
            BackendUnavailable: no worker starts, or there is not enough memory.
            WorkerFailed: the model broke on this text.
            WorkerLost: the worker died of this text.
            DeadlineExceeded: it came to no end.
        """
        if self._processes is None or self._processes.problem:
            raise BackendUnavailable(self.name, reason=self.health().reason or NOT_RUNNING)
        job = Job(
            utterance.text,
            voice=self.find_voice(utterance.voice.id).id,
            speed=utterance.speed,
            max_seconds=self._max_seconds,
            whole=whole,
            marks=utterance.marks,
        )
        async with aclosing(self._processes.speak(job, utterance.voice.id)) as sounds:
            async for sound in sounds:
                yield sound

    def _make_processes(self) -> ModelProcesses:
        return ModelProcesses(
            BACKEND,
            (kokoro_worker.__name__, *map(str, self._files)),
            workers=self.concurrency,
            job_timeout=self._job_timeout,
            grace=self._grace,
            start_timeout=self._start_timeout,
            memory_bytes=self._memory_bytes,
            advice=ADVICE,
        )

    def _absent(self) -> str | None:
        if not self._has_package():
            return f"the package kokoro-onnx is not installed: {INSTALL}"
        missing = [str(path) for path in self._files if not path.exists()]
        return f"there is no {' and no '.join(missing)}: {DOWNLOAD}" if missing else None

    def _voices(self) -> Catalogue:
        names = tuple(self._processes.voices) if self._processes else ()
        if names != self._names:
            self._names = names
            self._catalogue = Catalogue(names, gender_of=self._gender_of, version=self._version)
        return self._catalogue
