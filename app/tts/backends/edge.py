"""The voices of Microsoft Edge, over the internet: natural, free of charge, and not to be relied on.

The service is undocumented and may refuse, stall or vanish at any time (its users report waves of 403 and of empty
replies), so what the edge-tts package gives of an utterance is watched, checked for its whole length and tried again
(`edge_session`), and a service that keeps failing is left alone until a look at its list of voices succeeds. What
people write in the chat goes to Microsoft.

Speed: the voices' natural pace is about that of a news reader. For live chat `pace`, 1.2 by default, is what speed 1
means, so that speech keeps up with the chat and does not slow down much where it takes over from the embedded voice.
The service takes half to twice the natural pace. Pitch: the service wants hertz. The semitones are counted from an
average voice of the gender, 200 Hz or 115 Hz, so they are near the truth for a voice near the average, and go no
further than half the frequency up or down; the rest is done to the sound. Silence: the service leaves 0.1 s before and
some 0.8 s behind every utterance, which a chat would have to wait for each time; most of it is cut.
"""

import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from importlib import import_module
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from app.errors import BackendUnavailable, ChorusError, DeadlineExceeded, InvalidInput, VoiceNotFound, WorkerFailed
from app.runtime.breaker import Breaker, State
from app.tts.backend import Health, Traits
from app.tts.backends.edge_session import SAMPLE_RATE, Patience, Session
from app.tts.backends.edge_turn import Fault, Prosody, TurnFailed
from app.tts.backends.edge_voices import BACKEND, Catalogue, VoiceFile, VoiceMemory
from app.tts.speech import Gender, Sound, Utterance, Voice
from app.tts.trim import trim

if TYPE_CHECKING:  # needs the optional packages
    from aiohttp import BaseConnector

    from app.tts.backends.edge_client import Client

INSTALL = "run `pip install 'edge-tts>=7.3.1'` and restart the server"

RATE_PERCENT = (-50, 100)
"""How far the natural pace can be changed; beyond, speech becomes hard to follow or is refused."""
AVERAGE_HZ = {Gender.FEMALE: 200.0, Gender.MALE: 115.0, Gender.NEUTRAL: 165.0}
PITCH_RATIO = (0.5, 1.5)
VOLUME_PERCENT = (-100, 100)

MP3_DELAY_SECONDS = 1105 / SAMPLE_RATE
"""How much later a sound is heard than the service says: 576 samples of encoding and 529 of decoding, as in LAME's
technical FAQ. Other encoders need a little more or less."""

LIST_RETRY_SECONDS = 600.0
"""Until a list that could not be had, of a service that can be reached, is asked for again."""

_NOT_XML = {**dict.fromkeys(range(0xD800, 0xE000), " "), 0xFFFE: " ", 0xFFFF: " "}

log = getLogger(__name__)


class Edge:
    """Speech by Microsoft Edge's service.

    Args:
        data_dir: where the list of voices is kept; None keeps it in memory only.
        proxy: URL of an HTTP proxy; None: the one that the environment names (HTTPS_PROXY), if any.
        ca_file: PEM of authorities that are trusted besides the usual ones, for proxies that open TLS.
        pace: what speed 1 means, as a factor of the voices' natural pace.
        volume: percent louder or softer than the voices are, -100…100.
        concurrency: connections at the same time; the service answers 429 to those who take many.
        patience: with the service, in one utterance.
        breaker: leaves the service alone when it fails; its times are also those of the probes.
        max_seconds: of speech that one utterance may make.
        voice_list_age: seconds after which the list is fetched again.
        silent_voice_seconds: how long a voice is avoided that made no sound.
        start_timeout: seconds that the start of the server waits for the first sign of the service; it may come later.
        probe_timeout: seconds in which the service must send its list of voices to count as present.
        connector: makes the connectors of aiohttp, one for each connection; None: plain ones.
        clock: seconds, monotonic.
        wall_clock: seconds since the epoch.
        sleep: waits between tries.
        rng: spreads the tries.

    Raises:
        InvalidInput: the proxy is none that aiohttp can use: it has no SOCKS.
    """

    name = BACKEND
    traits = Traits(fidelity=3, is_costly=True, lookahead=0.5, is_gradual=True)
    sample_rate = SAMPLE_RATE

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        proxy: str | None = None,
        ca_file: Path | None = None,
        pace: float = 1.2,
        volume: int = 0,
        concurrency: int = 4,
        patience: Patience = Patience(),  # noqa: B008, frozen
        breaker: Breaker | None = None,
        max_seconds: float = 600.0,
        voice_list_age: float = 24 * 3600.0,
        silent_voice_seconds: float = 600.0,
        start_timeout: float = 2.0,
        probe_timeout: float = 8.0,
        connector: "Callable[[], BaseConnector] | None" = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        if proxy and not proxy.startswith(("http://", "https://")):
            raise InvalidInput(
                f"proxy of scheme '{proxy.partition(':')[0]}': must be http or https", field="EDGE_PROXY"
            )
        self.concurrency = concurrency
        self._proxy = proxy or None
        self._ca_file = ca_file
        self._pace = pace
        self._volume = volume
        self._patience = patience
        self._breaker = breaker or Breaker(clock=clock)
        self._max_seconds = max_seconds
        self._voice_list_age = voice_list_age
        self._start_timeout = start_timeout
        self._probe_timeout = probe_timeout
        self._make_connector = connector
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._file = VoiceFile(data_dir / "edge-voices.json", clock=wall_clock) if data_dir else None
        self._memory = VoiceMemory(seconds=silent_voice_seconds, clock=clock)
        self._catalogue = Catalogue()
        self._list_due_at = clock()
        self._client: Client | None = None
        self._trouble = "it has not been started"
        self._alarm = anyio.Event()
        self._has_looked = anyio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look whether the service is there, and keep looking whenever it fails."""
        try:
            self._client = self._make_client()
        except (ImportError, OSError) as error:
            self._trouble = self._explain(error)
            yield
            return
        await self._load_list()
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, self._client)
            try:
                with anyio.move_on_after(self._start_timeout):
                    await self._has_looked.wait()
                yield
            finally:
                group.cancel_scope.cancel()
                self._client, self._trouble = None, "it has been stopped"

    def health(self) -> Health:
        """Tell at once, without speaking: whether the service did what it should when it was last asked."""
        if self._client is None:
            return Health(available=False, reason=self._trouble)
        if not self._has_looked.is_set():
            return Health(available=False, reason="the service has not answered yet")
        if self._breaker.is_admitting:
            return Health(available=True)
        when = f"is tried again in {math.ceil(self._breaker.wait_time)} s"
        if self._breaker.state is State.HALF_OPEN:
            when = "is being tried again"
        return Health(available=False, reason=f"{self._trouble}; it {when}")

    def voices(self) -> Sequence[Voice]:
        """The service's list, or where that was never had, a female and a male voice for each of 50 locales."""
        return self._catalogue.listed if self.health().available else ()

    def find_voice(self, voice_id: str) -> Voice:
        """Return a listed voice; without a recent list, any that has the form of one: `xx-XX-NameNeural`.

        Raises:
            VoiceNotFound: there can be no such voice.
        """
        return self._catalogue.find(voice_id)

    def choose_voice(self, language: str, *, like: str | None = None) -> Voice:
        """Return a voice of the language and of the gender of `like`, female if that is unknown.

        Voices that made no sound of late are passed over.

        Raises:
            VoiceNotFound: no voice speaks that language now.
        """
        return self._catalogue.choose(language, like=like, avoid=lambda voice: self._memory.wait_time(voice) > 0)

    def reach(self, utterance: Utterance) -> Utterance:
        """The service has some pitches, and no range of them."""
        lowest, highest = (12 * math.log2(ratio) for ratio in PITCH_RATIO)
        return replace(utterance, pitch=_clamp(utterance.pitch, (lowest, highest)), pitch_range=1.0)

    async def synthesize(self, utterance: Utterance, *, whole: bool) -> AsyncGenerator[Sound, None]:
        """Yield PCM with words: all at once if `whole`, otherwise as it arrives, mostly 0.1 s at a time.

        Raises:
            VoiceNotFound: the service gives this voice no sound, and it is not known to be its own.
            NothingToSpeak: nothing in the text can be spoken.
            TextTooLong: the text makes more than `max_seconds` of speech.
            BackendUnavailable: the service cannot be reached, or refuses.
            WorkerFailed: it broke off or gave no sound, more than once; or broke off after some was yielded.
            DeadlineExceeded: it took too long.
        """
        client = self._ready_client()
        self._check_memory(utterance.voice)
        session = self._session(client, utterance)
        is_heard = False
        try:
            spoken = session.speak(utterance.text.translate(_NOT_XML), whole=whole)
            trimmed = trim(spoken, sample_rate=SAMPLE_RATE, whole=whole, delay=MP3_DELAY_SECONDS)
            async with aclosing(trimmed) as sounds:
                async for sound in sounds:
                    is_heard = True
                    yield sound
            self._memory.spoke(utterance.voice.id)
        except TurnFailed as failure:
            raise self._verdict(failure, utterance, is_heard=is_heard) from failure
        finally:
            self._note_breaker()

    def _make_client(self) -> "Client":
        module = import_module("app.tts.backends.edge_client")
        if self._make_connector is None:
            client: Client = module.Client(proxy=self._proxy, ca_file=self._ca_file)
        else:
            client = module.Client(proxy=self._proxy, ca_file=self._ca_file, connector=self._make_connector)
        return client

    def _explain(self, error: ImportError | OSError) -> str:
        if isinstance(error, ImportError):
            return f"edge-tts is missing ({error}): {INSTALL}"
        return f"the authorities in {self._ca_file} cannot be used ({error})"

    def _ready_client(self) -> "Client":
        health = self.health()
        if self._client is None or not health.available:
            raise BackendUnavailable(self.name, reason=health.reason or self._trouble)
        return self._client

    def _check_memory(self, voice: Voice) -> None:
        wait = self._memory.wait_time(voice.id)
        if wait > 0:
            raise WorkerFailed(f"voice '{voice.id}' made no sound of late; it is tried again in {math.ceil(wait)} s")

    def _session(self, client: "Client", utterance: Utterance) -> Session:
        prosody = self.prosody(utterance)
        return Session(
            lambda words: client.turn(words, utterance.voice.id, prosody),
            breaker=self._breaker,
            patience=self._patience,
            prosody=prosody,
            language=utterance.voice.language,
            max_seconds=self._max_seconds,
            clock=self._clock,
            sleep=self._sleep,
            rng=self._rng,
        )

    def prosody(self, utterance: Utterance) -> Prosody:
        """Return an utterance's speed and pitch in the service's units; see above."""
        rate = _clamp(round((utterance.speed * self._pace - 1) * 100), RATE_PERCENT)
        ratio = _clamp(2 ** (utterance.pitch / 12), PITCH_RATIO)
        pitch = round(AVERAGE_HZ[utterance.voice.gender] * (ratio - 1))
        return Prosody(f"{rate:+.0f}%", f"{pitch:+d}Hz", f"{_clamp(self._volume, VOLUME_PERCENT):+.0f}%")

    def _verdict(self, failure: TurnFailed, utterance: Utterance, *, is_heard: bool) -> ChorusError:
        """Return what a failed turn means for who asked."""
        if failure.fault is not Fault.NO_AUDIO:
            self._trouble = str(failure)
        elif not is_heard:
            self._memory.was_silent(utterance.voice.id, utterance.text)
            if utterance.voice.id not in self._catalogue:
                return VoiceNotFound(utterance.voice.id, backend=self.name)
        if not is_heard and failure.fault in (Fault.UNREACHABLE, Fault.REFUSED):
            return BackendUnavailable(self.name, reason=str(failure))
        if not is_heard and failure.fault is Fault.STALLED:
            return DeadlineExceeded(str(failure))
        return WorkerFailed(f"{failure} (voice '{utterance.voice.id}')")

    def _note_breaker(self) -> None:
        """Wake the watch when the breaker has opened."""
        if self._breaker.state is State.OPEN and not self._alarm.is_set():
            log.warning("edge is left alone for %.0f s: %s", self._breaker.wait_time, self._trouble)
            self._alarm.set()

    async def _watch(self, client: "Client") -> None:
        """Probe at once, when an open breaker's time is over, and when the list has grown old."""
        await self._probe(client)
        self._has_looked.set()
        while True:
            self._alarm = anyio.Event()
            if self._breaker.state is State.OPEN:
                await anyio.sleep(self._breaker.wait_time)
            else:
                with anyio.move_on_after(self._list_due_at - self._clock()):
                    await self._alarm.wait()
                    continue
            await self._probe(client)

    async def _probe(self, client: "Client") -> None:
        """Fetch the list of voices, and tell the breaker whether the service is there.

        That it is there does not mean that it speaks: a breaker that was open lets one utterance find out.
        """
        is_trial = self._breaker.state is not State.CLOSED
        if is_trial and not self._breaker.admit():
            self._list_due_at = self._clock() + LIST_RETRY_SECONDS  # an utterance is finding out already
            return
        self._list_due_at = self._clock() + LIST_RETRY_SECONDS
        try:
            with anyio.fail_after(self._probe_timeout):
                voices = await client.list_voices()
        except TimeoutError:
            self._note_absence(f"the service did not answer within {self._probe_timeout:g} s", is_trial=is_trial)
        except TurnFailed as failure:
            if _is_absence(failure):
                self._note_absence(str(failure), is_trial=is_trial)
            else:
                self._note_presence(is_trial=is_trial)
        else:
            self._note_presence(is_trial=is_trial)
            await self._keep_list(voices)

    def _note_absence(self, trouble: str, *, is_trial: bool) -> None:
        if trouble != self._trouble:
            log.warning("edge cannot speak: %s", trouble)
        self._trouble = trouble
        if is_trial:
            self._breaker.failed()
        else:
            self._breaker.trip()

    def _note_presence(self, *, is_trial: bool) -> None:
        if is_trial:
            self._breaker.withdraw()

    async def _load_list(self) -> None:
        if self._file is None:
            return
        stored = await to_thread.run_sync(self._file.load)
        if stored is not None:
            voices, age = stored
            self._catalogue = Catalogue(voices, is_complete=age < self._voice_list_age)

    async def _keep_list(self, voices: Sequence[Voice]) -> None:
        if not voices:
            return
        self._catalogue = Catalogue(voices, is_complete=True)
        self._list_due_at = self._clock() + self._voice_list_age
        if self._file is not None:
            try:
                await to_thread.run_sync(self._file.save, voices)
            except OSError as error:
                log.warning("edge: the list of voices cannot be kept (%s)", error)


def _is_absence(failure: TurnFailed) -> bool:
    """Whether a failed request for the list means that the service, or the way to it, is closed."""
    if failure.fault is not Fault.REFUSED or failure.status is None:
        return True
    return failure.status in (403, 429) or failure.status >= 500


def _clamp(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
