"""One client of `/ws/stream/{client_id}`: audio in, and what is heard in it out."""

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from app.api.stream import messages
from app.api.stream.limits import StreamLimits
from app.api.stream.messages import Options
from app.api.stream.rates import Rates
from app.errors import ChorusError, Draining, InvalidAudio, RateLimited, SessionClosed
from app.fingerprint.event import Lost, Matched
from app.fingerprint.hearing import Heard, Progress
from app.fingerprint.hearings import Hearings
from app.fingerprint.hit import Hit
from app.fingerprint.track import Track
from app.runtime.outbox import Message
from app.runtime.session import POLICY, Divert, Ending, Session, Socket

logger = logging.getLogger(__name__)

FindTracks = Callable[[Collection[int]], Awaitable[list[Track]]]
"""Returns those of these ids that there are."""

MAX_UNTOLD = 64
"""Events that wait while the catalogue is slow to say what the tracks are called; then the oldest is old news."""

TELLING = "telling"


@dataclass(frozen=True, slots=True)
class _Match:
    """Hits that are to be told."""

    hits: tuple[Hit, ...]
    progress: Progress
    at: float
    """Seconds since the epoch."""


class Conversation:
    """A stream from its first message to its last."""

    def __init__(
        self,
        hearings: Hearings,
        find_tracks: FindTracks,
        socket: Socket,
        limits: StreamLimits,
        options: Options,
        *,
        abort: Callable[[], None] | None = None,
        divert: Divert | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare it on an accepted socket.

        Args:
            hearings: the engine.
            find_tracks: says what hits are called.
            socket: accepted, not yet read.
            limits: of this door.
            options: what the client chose.
            abort: cuts the connection.
            divert: gives audio to the session as soon as it is read.
            now: seconds since the epoch.
            clock: seconds, monotonic.
        """
        self._find_tracks = find_tracks
        self._is_early = not hearings.is_open
        self._now = now
        self._options = options
        self._rates = Rates(limits, options.form)
        self._hearing = hearings.open(options.form, self._on_heard)
        self._untold: deque[_Match | Lost] = deque(maxlen=MAX_UNTOLD)
        self.connected_at = now()
        """Seconds since the epoch."""
        self.total_matches = 0
        """Told until now."""
        self.session = Session(
            socket,
            limits.session,
            on_failure=self._explain,
            is_activity=_is_audio,
            divert=divert,
            abort=abort,
            clock=clock,
        )

    @property
    def progress(self) -> Progress | None:
        """How far the audio is heard; None before there is any."""
        return self._hearing.progress

    async def run(self) -> Ending:
        """Converse until either side closes; returns how it ended."""
        self.session.post(messages.encode_status(messages.CONNECTED))
        if self._is_early:
            self.session.post(messages.encode_status(messages.PREPARING))
        try:
            return await self.session.run(self._on_message)
        finally:
            self._hearing.close()

    def end(self, code: int, reason: str, *, status: str | None = None) -> None:
        """Send the client away, with a last word."""
        if status is not None:
            self.session.post(messages.encode_status(status))
        self.session.close(code, reason)

    def _on_message(self, message: Message) -> None:
        try:
            self._rates.count(len(message))
            self._take(message)
        except InvalidAudio as error:
            self._refuse(str(error))
        except RateLimited as error:
            self.session.post(messages.encode_error(f"Rate limit exceeded: {error}"))
            self.session.close(POLICY, "rate limit exceeded")

    def _take(self, message: Message) -> None:
        if isinstance(message, str):
            raise InvalidAudio("audio comes in binary messages")
        if message and (given_up := self._hearing.offer(message)):
            self.session.post(messages.encode_given_up(given_up))

    def _refuse(self, why: str) -> None:
        self.session.post(messages.encode_invalid_audio(why, with_detail=self._options.events))

    def _on_heard(self, heard: Heard) -> None:
        if heard.is_first:
            self.session.post(messages.encode_status(messages.INITIALIZED))
        for _ in range(heard.unreadable):
            self._refuse("samples must be finite floats, in [-1, 1] by custom")
        if heard.error is not None:
            self._explain(TELLING, heard.error)
        if heard.progress is not None and heard.events:
            self._note(heard, heard.progress)

    def _note(self, heard: Heard, progress: Progress) -> None:
        for event in heard.events:
            match event:
                case Matched(hits=hits):
                    self._untold.append(_Match(hits, progress, self._now()))
                case Lost() if self._options.events:
                    self._untold.append(event)
        if self._untold and not self.session.jobs:
            with suppress(SessionClosed, Draining):
                self.session.start(TELLING, self._tell)

    async def _tell(self) -> None:
        while self._untold:
            match self._untold.popleft():
                case _Match() as matched:
                    await self._tell_match(matched)
                case Lost():
                    await self.session.send(messages.encode_status(messages.STOPPED, event="lost"))

    async def _tell_match(self, matched: _Match) -> None:
        tracks = {track.id: track for track in await self._find_tracks([hit.track_id for hit in matched.hits])}
        found = [(hit, tracks[hit.track_id]) for hit in matched.hits if hit.track_id in tracks]
        if found:  # else they were removed in this moment
            self.total_matches += len(found)
            told = messages.encode_match(
                found, matched.progress, timestamp=matched.at, total_matches=self.total_matches
            )
            await self.session.send(told)

    def _explain(self, key: str, error: Exception) -> None:
        if not isinstance(error, ChorusError):
            logger.error("a turn of a live stream failed", exc_info=error)
        self.session.post(messages.encode_failure(error))


def _is_audio(message: Message) -> bool:
    return isinstance(message, bytes) and bool(message)
