"""The studio: makes takes and voices with the speech engine, keeps them, and tells who wants to know.

Rules of this file:

1. Whoever is told of a take can find it again: nothing is told before the take is in the store. The store writes
   beside the speaking, so the first part waits for whichever of the two is later.
2. Statuses come in one order to the store, to the webhooks and to the listener. What the store and the webhooks know
   may be ahead of what a slow listener has heard, by four parts at most.
3. A take never fails for its listener or its webhooks. Whoever stops listening leaves it to be made to its end.
4. Takes that somebody listens to are made at once; the others wait in the backlog, and their parts behind everybody's.
5. A stop of the server puts what it was making back to `waiting`, to be made from the beginning at the next start. What
   was being made when the server was killed ends as `error` then, since nobody knows what was heard of it.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import anyio

from app.audio.format import Format
from app.errors import (
    BackendUnavailable,
    Denied,
    InvalidInput,
    NotFound,
    Unavailable,
)
from app.takes.backlog import Backlog
from app.takes.feed import Listener
from app.takes.hooks import Hooks, Render
from app.takes.ids import Ids
from app.takes.known_voices import KnownVoices
from app.takes.ledger import Ledger
from app.takes.making import Booth, Making
from app.takes.makings import Makings
from app.takes.model import Model
from app.takes.orders import Orders
from app.takes.reading import Reading
from app.takes.recording import Recording
from app.takes.recordings import Recordings
from app.takes.stock import stock_voices
from app.takes.store import Page, Store
from app.takes.take import Status, Take, TakeRequest
from app.takes.upkeep import UPKEEP_SECONDS, Upkeep
from app.takes.voice import Voice, VoiceChange, VoiceRequest
from app.tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StudioLimits:
    """Bounds; 0 means no limit, but for `at_once`."""

    text_characters: int = 20_000
    """Of one take."""
    batch: int = 1000
    """Takes asked for at once."""
    waiting_per_account: int = 2000
    """Takes that wait and that nobody listens to."""
    waiting: int = 20_000
    """The same, of all accounts together."""
    at_once: int = 2
    """Takes made at the same time that nobody listens to."""


class Studio:
    """Makes takes and voices. An async context manager; lives on one event loop."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        store: Store,
        recordings: Recordings,
        *,
        limits: StudioLimits,
        maker: str,
        render: Render,
        on_owed: Callable[[], None],
        on_done: Callable[[Status], None] = lambda status: None,
        ids: Ids | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Build it; entering it begins with what was left undone.

        Args:
            synthesizer: speaks; open as long as the studio is.
            store: keeps takes and voices.
            recordings: keep their audio.
            limits: bounds.
            maker: name of this server, the same at every start.
            render: writes a take or a voice as webhooks are told it.
            on_owed: told when calls to webhooks are owed.
            on_done: told how each take ended that this server ended.
            ids: makes ids; None for the clock's.
            clock: seconds since the epoch.
            sleep: waits so many seconds.
        """
        self._synthesizer = synthesizer
        self._store = store
        self._voices = KnownVoices(store, clock=clock)
        self._recordings = recordings
        self._limits = limits
        self._sleep = sleep
        ids = ids or Ids(clock=clock)
        self._orders = Orders(synthesizer, ids, text_characters=limits.text_characters)
        hooks = Hooks(render, ids, clock=clock)
        self._booth = Booth(
            recordings,
            lambda: Ledger(store, hooks, maker=maker, on_owed=on_owed, sleep=sleep),
            on_done=on_done,
            sleep=sleep,
        )
        self._makings = Makings(
            Backlog(per_account=limits.waiting_per_account, total=limits.waiting),
            self._prepare,
            at_once=limits.at_once,
            sleep=sleep,
        )
        self._upkeep = Upkeep(
            store,
            hooks,
            maker=maker,
            enqueue=self._makings.enqueue,
            forget=recordings.delete,
            stop=lambda take, status, error: self._makings.end(take.owner, take.id, status, error),
            on_owed=on_owed,
            on_done=on_done,
            clock=clock,
        )
        self._stocked: set[str] = set()
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "Studio":
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._makings)
            await self._upkeep.recover()
            await self._bring_voices()
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._look_after)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    @property
    def waiting(self) -> int:
        """Takes of this server that wait to be made."""
        return self._makings.waiting

    @property
    def making(self) -> int:
        """Takes that are made now."""
        return self._makings.making

    def models(self) -> list[Model]:
        """Return what can speak now."""
        return self._orders.models()

    # Takes

    async def make_takes(self, owner: str, requests: Sequence[TakeRequest]) -> list[Take]:
        """Store takes as `waiting`, all or none, to be made soon; returns them in the order of the requests.

        Raises:
            NotFound: a voice does not exist.
            InvalidInput: a request breaks a rule, or there are too many at once.
            Overloaded: the account, or the server, has as many takes waiting as it may.
            BackendUnavailable: the model of a voice cannot speak now.
            Unavailable: the store cannot keep them now, or the server is stopping.
        """
        if self._limits.batch and len(requests) > self._limits.batch:
            raise InvalidInput(f"{len(requests)} takes at once, {self._limits.batch} may")
        with self._makings.room(owner, len(requests)):
            for request in requests:
                self._orders.read(request.wording, await self._voices.find(owner, request.voice_id))
                await anyio.lowlevel.checkpoint()  # a thousand of them take a second
            takes = [self._orders.take(owner, request) for request in requests]
            await self._add(takes)
        return takes

    async def perform_take(self, owner: str, request: TakeRequest, listener: Listener, *, client: Hashable) -> Take:
        """Make a take while somebody listens; returns it when it is done, `ready` or not.

        The listener is told `waiting` first, the done take last, and hears every part between; what it raises is raised
        here. If this is cancelled, or the listener raises, the take goes on without it. `client` shares the speech
        engine fairly with other clients. Raises what `make_takes` raises, before anything is told, and

        Raises:
            Draining: the server is stopping; if anything was told, the take is made when it is back.
        """
        voice = await self._voices.find(owner, request.voice_id)
        reading = self._orders.read(request.wording, voice)
        making = self._making(self._orders.take(owner, request), reading, client=client, is_heard=True)
        self._makings.start(making)
        await making.feed.follow(listener)
        return making.take

    async def find_take(self, owner: str, take_id: str) -> Take:
        """Return an account's take.

        Raises:
            NotFound: it has none of this id.
        """
        take = await self._store.find_take(owner, take_id)
        if take is None:
            raise NotFound(f"take '{take_id}' does not exist")
        return take

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        """Return an account's takes, newest first."""
        return await self._store.list_takes(owner, page)

    async def delete_take(self, owner: str, take_id: str) -> None:
        """Forget a take and its audio; one that is being made is not made any further.

        Raises:
            NotFound: the account has none of this id.
        """
        take = await self.find_take(owner, take_id)
        await self._store.delete_take(owner, take_id)
        if (
            not await self._makings.end(owner, take_id, Status.ERROR, "the take was deleted")
            and not take.status.is_done
        ):
            await self._upkeep.end_example(take, Status.ERROR)
        await self._recordings.delete(take_id)

    async def recording(self, take_id: str) -> Recording:
        """Return the audio of a take, waiting for its beginning if it is still to be made. Cancelling is safe.

        Raises:
            NotFound: there is no such take here, it failed, or its audio is gone.
        """
        await self._makings.recorded(take_id)
        recording = await self._recordings.find(take_id)
        if recording is None:
            raise NotFound(f"take '{take_id}' has no audio here")
        return recording

    async def encoded(self, take_id: str, format: Format) -> Path:
        """Return the file of a take in another format than wav, waiting until it is made. Cancelling is safe.

        Raises:
            NotFound: there is no such take here, it failed, or its audio is gone.
        """
        await self._makings.ended(take_id)
        return await self._recordings.encoded(take_id, format)

    # Voices

    async def make_voice(self, owner: str, request: VoiceRequest) -> Voice:
        """Store a new voice as `waiting`, which is done when its example take is; raises as `make_takes` does."""
        with self._makings.room(owner, 1):
            voice, take = self._orders.voice(owner, request)
            self._orders.read(take.request.wording, voice)
            await self._add([take], voice)
        return voice

    async def perform_voice(self, owner: str, request: VoiceRequest, listener: Listener, *, client: Hashable) -> Voice:
        """Make a voice while somebody listens to its example take; as `perform_take`, but told of the voice."""
        voice, take = self._orders.voice(owner, request)
        reading = self._orders.read(take.request.wording, voice)
        making = self._making(take, reading, client=client, is_heard=True, voice=voice)
        self._makings.start(making)
        await making.feed.follow(listener)
        return making.voice or voice

    async def find_voice(self, owner: str, voice_id: str) -> Voice:
        """Return a voice of the account or of everybody.

        Raises:
            NotFound: there is none of this id.
        """
        voice = await self._store.find_voice(owner, voice_id)
        if voice is None:
            raise NotFound(f"voice '{voice_id}' does not exist")
        return voice

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        """Return the voices of the account and of everybody, newest first."""
        await self._bring_voices()
        return await self._store.list_voices(owner, page)

    async def update_voice(self, owner: str, voice_id: str, change: VoiceChange) -> Voice:
        """Change what is said of a voice, or its defaults; how it sounds stays.

        Raises:
            NotFound: there is none of this id.
            Denied: it belongs to everybody.
            InvalidInput: its model cannot do what would be the default.
        """
        changed = await self._store.change_voice(owner, voice_id, change.apply)
        self._voices.forget(owner, voice_id)
        if changed is None:
            await self._deny(owner, voice_id)
        return changed

    async def delete_voice(self, owner: str, voice_id: str) -> None:
        """Forget a voice; its takes stay.

        Raises:
            NotFound: there is none of this id.
            Denied: it belongs to everybody.
        """
        is_deleted = await self._store.delete_voice(owner, voice_id)
        self._voices.forget(owner, voice_id)
        if not is_deleted:
            await self._deny(owner, voice_id)

    # Inside

    async def _deny(self, owner: str, voice_id: str) -> NoReturn:
        voice = await self.find_voice(owner, voice_id)
        raise Denied(f"voice '{voice.id}' belongs to everybody and stays as it is")

    async def _add(self, takes: Sequence[Take], voice: Voice | None = None) -> None:
        ledger = self._booth.ledger()
        await ledger.open(takes, voice)
        for take in takes:
            self._makings.enqueue(take.owner, take.id)

    def _making(
        self, take: Take, reading: Reading, *, client: Hashable, is_heard: bool, voice: Voice | None = None
    ) -> Making:
        return Making(
            take,
            reading,
            self._booth,
            client=client,
            is_new=is_heard,
            is_heard=is_heard,
            voice=voice,
            on_recording=lambda: self._makings.tell(take.id),
        )

    async def _prepare(self, owner: str, take_id: str) -> Making | None:
        """Make a take of the backlog ready, or end it if it cannot be made any more."""
        take = await self._store.find_take(owner, take_id)
        if take is None or take.status is not Status.WAITING:
            return None
        try:
            voice = await self.find_voice(owner, take.request.voice_id)
            reading = self._orders.read(take.request.wording, voice)
        except (BackendUnavailable, InvalidInput, NotFound) as error:
            await self._upkeep.end(take, Status.ERROR, str(error))
            return None
        is_example = voice.example_take_id == take.id and not voice.status.is_done
        client = ("takes", owner)
        return self._making(take, reading, client=client, is_heard=False, voice=voice if is_example else None)

    async def _look_after(self) -> None:
        """Do from time to time what need not be done at once."""
        while True:
            try:
                await self._upkeep.look()
                await self._recordings.sweep(self._store.known_takes)
            except Unavailable as error:
                logger.warning("the upkeep of takes waits until the store answers: %s", error)
            await self._sleep(UPKEEP_SECONDS)

    async def _bring_voices(self) -> None:
        """Keep the voices of everybody, of models that were not there before."""
        new = set(self._synthesizer.available) - self._stocked
        if not new:
            return
        for voice in stock_voices(model for model in self.models() if model.name in new):
            await self._store.add_voice(voice)
        self._stocked |= new
