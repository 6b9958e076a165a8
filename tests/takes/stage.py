"""A studio on fakes: a backend that speaks a constant, a store in memory, recordings in memory, a clock set by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from app.audio.format import Format
from app.errors import NotFound
from app.runtime.workers import Workers
from app.takes.part import Part
from app.takes.studio import Studio, StudioLimits
from app.takes.take import Status, Take, TakeRequest, Webhook, Wording
from app.takes.voice import Design, Voice, VoiceGender, VoiceRequest
from app.tts.cache import SpeechCache
from app.tts.synthesizer import Synthesizer
from tests.takes.fake_store import FakeStore
from tests.tts.fake_backend import FakeBackend

NOW = 1_700_000_000.0
VOICE = Voice(
    "v1",
    "ann",
    VoiceRequest("Ann's", "fake", VoiceGender.FEMALE),
    Design(1, VoiceGender.FEMALE),
    Status.READY,
    0,
)
FOUR = "One is. Two is. Three is. Four is."
WHOLE = [Status.WAITING, Status.STARTED, 0, Status.PROGRESS_25, 1, Status.PROGRESS_50, 2, Status.PROGRESS_75, 3]


def ask(text: str = "Hello there.", **wording: object) -> TakeRequest:
    return TakeRequest(Wording(text, **wording), "v1")


def hooked(text: str = "Hello there.") -> TakeRequest:
    status, done = Webhook("https://ann.example/status"), Webhook("https://ann.example/done")
    return ask(text, status_webhook=status, done_webhook=done)


class FakeRecording:
    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.pcm = b""
        self.state = "making"

    async def append(self, pcm: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self.pcm += pcm

    async def finish(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.state = "finished"

    async def discard(self) -> None:
        self.state = "finished" if self.state == "finished" else "discarded"


class FakeRecordings:
    def __init__(self) -> None:
        self.kept: dict[str, FakeRecording] = {}
        self.failure: Exception | None = None

    async def begin(self, take_id: str, sample_rate: int) -> FakeRecording:
        await anyio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        self.kept[take_id] = FakeRecording(sample_rate)
        return self.kept[take_id]

    async def find(self, take_id: str) -> FakeRecording | None:
        recording = self.kept.get(take_id)
        return recording if recording and recording.state != "discarded" else None

    async def encoded(self, take_id: str, format: Format) -> Path:
        if take_id not in self.kept or self.kept[take_id].state != "finished":
            raise NotFound(f"no recording {take_id}")
        return Path(f"{take_id}.{format}")

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]]) -> None:
        for take_id in set(self.kept) - set(await known(list(self.kept))):
            await self.delete(take_id)

    async def delete(self, take_id: str) -> None:
        self.kept.pop(take_id, None)


class FakeListener:
    """Keeps what it is told and hears, in one list; hears a part for so many seconds."""

    def __init__(self) -> None:
        self.log: list[Status | int] = []
        self.items: list[Take | Voice] = []
        self.parts: list[Part] = []
        self.on_heard: Callable[[Part], object] = lambda part: None
        self.on_told: Callable[[Take | Voice], object] = lambda item: None
        self.seconds = 0.0
        self._gate = anyio.Event()
        self._gate.set()

    def stop_listening(self) -> None:
        self._gate = anyio.Event()

    def listen_again(self) -> None:
        self._gate.set()

    async def told(self, item: Take | Voice) -> None:
        self.on_told(item)
        self.items.append(item)
        self.log.append(item.status)

    async def heard(self, part: Part) -> None:
        self.on_heard(part)
        self.parts.append(part)
        self.log.append(part.index)
        await anyio.sleep(self.seconds)
        await self._gate.wait()


@dataclass
class Stage:
    """The studio and everything around it."""

    studio: Studio
    backend: FakeBackend
    store: FakeStore
    recordings: FakeRecordings
    clock: list[float]
    owed: list[int] = field(default_factory=list)

    def hooks(self) -> list[tuple[str, bytes]]:
        """Return hook and body of every call that is owed, in order."""
        return [(str(each.hook), each.body) for _, each in sorted(self.store.deliveries.owed.items())]

    async def done(self, take_id: str) -> None:
        """Return when nothing more happens to a take."""
        with suppress(NotFound):
            await self.studio.encoded(take_id, Format.MP3)

    def take(self, take_id: str) -> Take:
        return self.store.takes[take_id]


@asynccontextmanager
async def stage(
    backend: FakeBackend | None = None,
    store: FakeStore | None = None,
    recordings: FakeRecordings | None = None,
    **limits: int,
) -> AsyncIterator[Stage]:
    backend, store, recordings = backend or FakeBackend(), store or FakeStore(), recordings or FakeRecordings()
    store.voices.setdefault(VOICE.id, replace(VOICE, request=replace(VOICE.request, model=backend.name)))
    store.makers.setdefault(VOICE.id, "here")
    clock = [NOW]
    owed: list[int] = []
    synthesizer = Synthesizer([backend], workers=Workers({"codec": 2}), cache=SpeechCache(max_bytes=0), queue_depth=100)
    async with synthesizer:
        studio = Studio(
            synthesizer,
            store,
            recordings,
            limits=StudioLimits(**limits),
            maker="here",
            render=lambda item: str(item.status).encode(),
            on_owed=lambda: owed.append(1),
            clock=lambda: clock[0],
            sleep=anyio.sleep,
        )
        async with studio:
            yield Stage(studio, backend, store, recordings, clock, owed)
