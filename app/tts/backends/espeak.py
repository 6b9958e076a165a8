"""The embedded backend: espeak-ng 1.52 in worker processes, with 138 languages and accents and no download.

espeak-ng crashes when two threads meet in it, and some texts crash it in any case (two characters are enough), so it
runs in processes of its own (`espeak_worker`), which also keeps its GPL code apart from the server. Its voices are
artificial and clear. A sentence of twenty Chinese characters takes a worker about 2 ms.
"""

import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from app.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    TextTooLong,
    Unavailable,
    VoiceNotFound,
    WorkerFailed,
)
from app.runtime.processes import Processes
from app.tts.backend import Health, Traits
from app.tts.backends import espeak_marks, espeak_worker
from app.tts.backends.espeak_engine import SAMPLE_RATE
from app.tts.backends.espeak_pitch import Melody
from app.tts.backends.espeak_voices import BACKEND, Catalogue
from app.tts.backends.espeak_worker import Job
from app.tts.language import primary
from app.tts.speech import Sound, Utterance, Voice

INSTALL = "run `pip install --force-reinstall espeakng-loader==0.2.4` and restart the server"

WORDS_PER_MINUTE = range(80, 451)
"""What espeak-ng can do; beyond, it does not get faster."""

LOOKAHEAD_SECONDS = 4.0
"""Made in 3 ms. A stretch so long is as loud as the whole line, within 1 LU."""

_ABLE = Health(available=True)


def find_library() -> tuple[str, str]:
    """Return the paths of the library and of its data.

    Raises:
        ImportError: the package that carries them is missing.
        RuntimeError: it is there without its data.
    """
    loader = import_module("espeakng_loader")
    return loader.get_library_path(), loader.get_data_path()


class Espeak:
    """Speech by espeak-ng in `workers` processes.

    Args:
        workers: processes, of 16 to 22 MB each; each speaks one utterance at a time.
        words_per_minute: as espeak-ng counts them, at speed 1; its own default of 175 is too slow for a live chat.
        max_seconds: of speech that one utterance may make; a few rare characters can make minutes.
        job_timeout: seconds until a worker that does not come to an end is killed.
        grace: seconds that a worker has to finish speech that nobody wants any more.
        warm: voices that a worker gets ready for before its first job: the first use of a language takes longer.
        to_kana: reads kanji, which espeak-ng does not know: it says "Chinese letter" for each; None leaves it so.
        volume: 0…200; 100 gives about -18 LUFS in Mandarin, without clipping.
        memory_bytes: bound of the address space of a worker.
        library: finds the library and its data.
    """

    name = BACKEND
    sample_rate = SAMPLE_RATE
    traits = Traits(fidelity=1, lookahead=LOOKAHEAD_SECONDS)

    def __init__(
        self,
        *,
        workers: int = 2,
        words_per_minute: int = 260,
        max_seconds: float = 240.0,
        job_timeout: float = 10.0,
        grace: float = 0.5,
        warm: Sequence[str] = ("cmn", "en-us"),
        to_kana: Callable[[str], str] | None = None,
        volume: int = 100,
        memory_bytes: int = 512 * 1024 * 1024,
        library: Callable[[], tuple[str, str]] = find_library,
    ) -> None:
        self.concurrency = workers
        self._words_per_minute = words_per_minute
        self._max_seconds = max_seconds
        self._job_timeout = job_timeout
        self._grace = grace
        self._warm = tuple(warm)
        self._to_kana = to_kana
        self._volume = volume
        self._memory_bytes = memory_bytes
        self._library = library
        self._processes: Processes | None = None
        self._reason = "it has not been started"
        self._introduction: bytes | None = None
        self._catalogue = Catalogue("")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the workers; end them on exit, with whatever they still speak."""
        try:
            library, data = self._library()
        except (ImportError, RuntimeError) as error:
            self._reason = f"espeak-ng is missing ({error}): {INSTALL}"
            yield
            return
        async with self._make_processes(library, data) as self._processes:
            try:
                yield
            finally:
                self._reason = "it has been stopped"
                self._processes = None

    def health(self) -> Health:
        """Tell at once, without speaking."""
        try:
            self._ready_processes()
        except BackendUnavailable as error:
            return Health(available=False, reason=error.reason)
        return _ABLE

    def voices(self) -> Sequence[Voice]:
        """All languages in espeak's order, each plain and with the listed variants."""
        return self._known().listed if self.health().available else ()

    def find_voice(self, voice_id: str) -> Voice:
        """Return `cmn`, `en-us+f3`, or any other combination of a voice and a variant.

        Raises:
            VoiceNotFound: there is no such voice or variant.
        """
        return self._known().find(voice_id)

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        """Return the voice of a language, female unless `like` is known to be male.

        Raises:
            VoiceNotFound: no voice speaks that language.
        """
        return self._known().choose(language, like=like)

    def reach(self, utterance: Utterance) -> Utterance:
        """Some pitches of each voice, and no other range of them."""
        sound = self._known().sound(utterance.voice.id)
        pitch = Melody.of(sound.voice, sound.variant).reach(utterance.pitch)
        return replace(utterance, pitch=pitch, pitch_range=1.0)

    async def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield int16 PCM: few chunks of up to 5.6 s if `whole`, otherwise 60 ms at once and then ever longer ones.

        Marks come with the chunk in which their word ends, or with the next one.

        Raises:
            VoiceNotFound: there is no such voice.
            TextTooLong: the text makes more than `max_seconds` of speech.
            BackendUnavailable: no worker starts.
            WorkerFailed: the worker refused this text.
            WorkerLost: it died of this text.
            DeadlineExceeded: it came to no end.
        """
        processes = self._ready_processes()
        utterance = self._readable(utterance)
        job = self._job(utterance, whole=whole)
        try:
            async with aclosing(processes.call(job.encode())) as chunks:
                async for chunk in chunks:
                    yield espeak_marks.read(chunk, utterance.text) if utterance.marks else Sound(chunk)
        except DeadlineExceeded:
            raise
        except Unavailable as error:
            raise BackendUnavailable(self.name, reason=str(error)) from error
        except WorkerFailed as error:
            self._explain(error, utterance)
            raise

    def _ready_processes(self) -> Processes:
        if self._processes is None:
            raise BackendUnavailable(self.name, reason=self._reason)
        if not self._processes.usable:
            trouble = f"no espeak-ng worker starts, more tries follow ({self._processes.trouble})"
            raise BackendUnavailable(self.name, reason=f"{trouble}; if that lasts, {INSTALL}")
        return self._processes

    def _make_processes(self, library: str, data: str) -> Processes:
        return Processes(
            # -S: nothing of site-packages is needed, and looking for it takes time at each start
            [sys.executable, "-S", "-m", espeak_worker.__name__, library, data, *self._warm],
            count=self.concurrency,
            job_timeout=self._job_timeout,
            grace=self._grace,
            max_frame_bytes=1024 * 1024,
            memory_bytes=self._memory_bytes,
            environment=_environment(),
        )

    def _known(self) -> Catalogue:
        """The catalogue as the workers that started last described it."""
        introduction = self._processes.introduction if self._processes else None
        if introduction is not None and introduction != self._introduction:
            self._introduction = introduction
            self._catalogue = Catalogue(introduction.decode())
        return self._catalogue

    def _readable(self, utterance: Utterance) -> Utterance:
        if self._to_kana is None or primary(utterance.voice.language) != "ja":
            return utterance
        return replace(utterance, text=self._to_kana(utterance.text))

    def _job(self, utterance: Utterance, *, whole: bool) -> Job:
        sound = self._known().sound(utterance.voice.id)
        rate = min(max(round(self._words_per_minute * utterance.speed), WORDS_PER_MINUTE[0]), WORDS_PER_MINUTE[-1])
        pitch, pitch_range = Melody.of(sound.voice, sound.variant).higher(utterance.pitch)
        return Job(
            utterance.text,
            voice=sound.voice,
            variant=sound.variant,
            words_per_minute=rate,
            pitch=pitch,
            pitch_range=pitch_range,
            volume=self._volume,
            whole=whole,
            marks=utterance.marks,
            max_samples=round(self._max_seconds * SAMPLE_RATE),
        )

    def _explain(self, error: WorkerFailed, utterance: Utterance) -> None:
        """Raise what the worker's answer means, if it means more than a failure."""
        if error.answer == espeak_worker.NO_SUCH_VOICE:
            raise VoiceNotFound(utterance.voice.id, backend=self.name) from error
        if error.answer == espeak_worker.TOO_LONG:
            limit = int(self._max_seconds)
            message = f"text of {len(utterance.text)} characters makes more than {limit} seconds of speech"
            raise TextTooLong(message, length=limit + 1, limit=limit, unit="seconds") from error


def _environment() -> dict[str, str]:
    """What a worker needs to find this package; the server's secrets stay out of a process that parses chat."""
    root = Path(__file__).parents[3]
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(root)}
