"""A studio without a speech engine: it says what a test gave it, at the pace that the test sets."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from app.audio.format import Format
from app.errors import NotFound
from app.takes.model import Model
from app.takes.part import Part
from app.takes.recording import Recording
from app.takes.recordings import Recordings
from app.takes.store import Page
from app.takes.take import Recorded, Status, Take, TakeRequest
from app.takes.voice import Design, Voice, VoiceChange, VoiceRequest
from tests.api.speak.examples import MODEL, PARTS

NOW_MS = 1_750_000_000_000


async def at_once() -> None:
    await anyio.lowlevel.checkpoint()


@dataclass
class FakeStudio:
    """Takes and voices in memory."""

    parts: Sequence[Part] = PARTS
    pace: Callable[[], Awaitable[object]] = at_once
    """Awaited before each part."""
    refusal: Exception | None = None
    """Raised instead of making anything."""
    fault: str | None = None
    """What a take fails of, after its last part."""
    takes: dict[str, Take] = field(default_factory=dict)
    voices: dict[str, Voice] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    """By whom, and what."""
    clients: list[Hashable] = field(default_factory=list)
    left: int = 0
    """Listeners that went away before the end."""
    recordings: Recordings | None = None
    ended: dict[str, anyio.Event] = field(default_factory=dict)
    """By take, once somebody waits for it: set when it is to be looked for again."""

    def models(self) -> list[Model]:
        return [MODEL]

    async def make_takes(self, owner: str, requests: Sequence[TakeRequest]) -> list[Take]:
        self._refuse()
        return [self._new_take(owner, request) for request in requests]

    async def perform_take(self, owner: str, request: TakeRequest, listener: Any, *, client: Hashable) -> Take:
        self._ask(owner, request, client)
        take = self._new_take(owner, request)
        return await self._perform(take, listener, lambda status: replace(take, status=status, **self._end(status)))

    async def make_voice(self, owner: str, request: VoiceRequest) -> Voice:
        self._refuse()
        return self._new_voice(owner, request)

    async def perform_voice(self, owner: str, request: VoiceRequest, listener: Any, *, client: Hashable) -> Voice:
        self._ask(owner, request, client)
        voice = self._new_voice(owner, request)
        return await self._perform(voice, listener, lambda status: replace(voice, status=status))

    async def find_take(self, owner: str, take_id: str) -> Take:
        return _owned(self.takes, owner, take_id, "take")

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        self.asked.append((owner, page))
        return [take for take in self.takes.values() if take.owner == owner]

    async def delete_take(self, owner: str, take_id: str) -> None:
        del self.takes[(await self.find_take(owner, take_id)).id]

    async def recording(self, take_id: str) -> Recording:
        while (found := await self.recordings.find(take_id)) is None:
            await self._wait(take_id)
        return found

    async def encoded(self, take_id: str, format: Format) -> Path:
        while (found := await self.recordings.find(take_id)) is None or not found.is_finished:
            await self._wait(take_id)
        return await self.recordings.encoded(take_id, format)

    def change(self, take_id: str, **fields: Any) -> None:
        """Change a take, and wake who waits for its audio."""
        self.takes[take_id] = replace(self.takes[take_id], **fields)
        self.ended.pop(take_id, anyio.Event()).set()

    async def _wait(self, take_id: str) -> None:
        if self.takes[take_id].status.is_done:
            raise NotFound(f"take '{take_id}' has no audio here")
        await self.ended.setdefault(take_id, anyio.Event()).wait()

    async def find_voice(self, owner: str, voice_id: str) -> Voice:
        return _owned(self.voices, owner, voice_id, "voice")

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        self.asked.append((owner, page))
        return [voice for voice in self.voices.values() if voice.owner == owner]

    async def update_voice(self, owner: str, voice_id: str, change: VoiceChange) -> Voice:
        self.asked.append((owner, change))
        return await self.find_voice(owner, voice_id)

    async def delete_voice(self, owner: str, voice_id: str) -> None:
        del self.voices[(await self.find_voice(owner, voice_id)).id]

    async def _perform(self, item: Any, listener: Any, at: Callable[[Status], Any]) -> Any:
        try:
            await listener.told(item)
            await listener.told(at(Status.STARTED))
            for part in self.parts:
                await self.pace()
                await listener.heard(part)
            done = at(Status.ERROR if self.fault else Status.READY)
            await listener.told(done)
        except anyio.get_cancelled_exc_class():
            self.left += 1
            raise
        return done

    def _end(self, status: Status) -> dict[str, Any]:
        if status is Status.ERROR:
            return {"error": self.fault}
        if status is not Status.READY:
            return {}
        samples = sum(len(part.pcm) for part in self.parts) // 2
        return {"recorded": Recorded(samples, 22_050, tuple(part.text for part in self.parts))}

    def _new_take(self, owner: str, request: TakeRequest) -> Take:
        take = Take(f"t{len(self.takes):026}", owner, request, Status.WAITING, NOW_MS)
        self.takes[take.id] = take
        return take

    def _new_voice(self, owner: str, request: VoiceRequest) -> Voice:
        number = len(self.voices)
        design = Design(number, request.gender)
        voice = Voice(f"v{number:026}", owner, request, design, Status.WAITING, NOW_MS, f"t{number:026}")
        self.voices[voice.id] = voice
        return voice

    def _ask(self, owner: str, request: Any, client: Hashable) -> None:
        self.asked.append((owner, request))
        self.clients.append(client)
        self._refuse()

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal


def _owned(items: dict[str, Any], owner: str, id: str, kind: str) -> Any:
    if id not in items or items[id].owner != owner:
        raise NotFound(f"{kind} '{id}' does not exist")
    return items[id]
