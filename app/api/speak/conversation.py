"""One client of the WebSocket: its requests, one after another."""

import itertools
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from app.api.speak import messages, telling
from app.api.speak.limits import SpeakLimits
from app.api.speak.messages import Command, GenerateTake, GenerateVoice, Undecodable
from app.api.speak.telling import Telling
from app.errors import ChorusError, Overloaded
from app.runtime.session import Ending, Session, Socket
from app.takes.studio import Studio

logger = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]

Explain = Callable[[Exception], list[str | bytes]]
"""Makes the messages with which a request ends that failed."""


class Conversation:
    """What one connection asks for and gets.

    Requests are answered in the order in which they came, each one to its end before the next one is begun, also those
    that are refused; so messages of different requests never mix. Only what is refused because too many wait is
    answered at once.
    """

    def __init__(
        self,
        studio: Studio,
        socket: Socket,
        owner: str,
        limits: SpeakLimits,
        *,
        abort: Callable[[], None] | None = None,
    ) -> None:
        """Prepare it on an accepted socket; `abort` cuts the connection."""
        self._studio = studio
        self._owner = owner
        self._numbers = itertools.count()
        self._explanations: dict[str, Explain] = {}
        self._most_characters = limits.waiting_characters
        self._characters = 0
        self._last_ends = anyio.Event()
        self._last_ends.set()
        self.session = Session(socket, limits.session, on_failure=self._fail, abort=abort)

    async def run(self) -> Ending:
        """Converse until either side closes; returns how it ended. Takes that are under way are made all the same."""
        return await self.session.run(self._on_message)

    def _on_message(self, message: str | bytes) -> None:
        try:
            command = messages.decode(message)
        except Undecodable as error:
            self._begin(partial(_refuse, error), partial(telling.refusal, error), characters=0)
            return
        listener = Telling(command.request_id, command.mode, self.session.send)
        self._begin(partial(self._perform, command, listener), listener.failure, characters=len(message))

    def _begin(self, job: Job, explain: Explain, *, characters: int) -> None:
        key, ends = str(next(self._numbers)), anyio.Event()
        self._explanations[key] = explain
        try:
            self._check_room(characters)
            self.session.start(key, partial(self._in_turn, key, job, after=self._last_ends, ends=ends, size=characters))
        except ChorusError as error:
            self._fail(key, error)
        else:
            self._last_ends = ends
            self._characters += characters

    def _check_room(self, more: int) -> None:
        held, most = self._characters, self._most_characters
        if held and held + more > most:
            raise Overloaded(f"requests of this connection with {held} characters wait, {most} may")

    async def _in_turn(self, key: str, job: Job, *, after: anyio.Event, ends: anyio.Event, size: int) -> None:
        try:
            await after.wait()
            await job()
            del self._explanations[key]
        finally:
            self._characters -= size
            ends.set()  # whoever waits goes on after the session was told of an error

    async def _perform(self, command: Command, listener: Telling) -> None:
        match command:
            case GenerateTake(request=take):
                await self._studio.perform_take(self._owner, take, listener, client=self)
            case GenerateVoice(request=voice):
                await self._studio.perform_voice(self._owner, voice, listener, client=self)

    def _fail(self, key: str, error: Exception) -> None:
        if not isinstance(error, ChorusError):
            logger.error("a request of the speak API's WebSocket failed", exc_info=error)
        for message in self._explanations.pop(key)(error):
            self.session.post(message)


async def _refuse(error: Undecodable) -> None:
    raise error
