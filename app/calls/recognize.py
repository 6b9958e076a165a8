"""The processor that says what music is on the line. Nothing is sent back but news."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.audio.pcm import Encoding
from app.calls.call import Clear, Cleared, Event, Failed, MusicHeard, MusicStopped, Notify, Played
from app.calls.processor import Line
from app.errors import Draining, InvalidAudio, Overloaded, SessionClosed
from app.fingerprint.event import Lost, Matched
from app.fingerprint.hearing import Heard, Hearing
from app.fingerprint.hearings import Hearings
from app.fingerprint.hit import Hit
from app.fingerprint.sound_form import SoundForm
from app.fingerprint.track import Track

logger = logging.getLogger(__name__)

FindTracks: TypeAlias = Callable[[Collection[int]], Awaitable[list[Track]]]
"""Returns those of these ids that there are."""

MAX_UNTOLD: Final = 16
"""Events that wait while the catalogue is slow to say what the tracks are called; then the oldest is old news."""
TELLING: Final = "telling"


@dataclass(frozen=True, slots=True)
class _Found:
    """Hits that are to be told."""

    hits: tuple[Hit, ...]
    seconds: float


class Recognize:
    """Hears one call by the catalogue."""

    def __init__(self, hearings: Hearings, find_tracks: FindTracks, line: Line) -> None:
        """Begin when the first sound comes; `find_tracks` says what hits are called."""
        self._hearings = hearings
        self._find_tracks = find_tracks
        self._line = line
        self._hearing: Hearing | None = None
        self._untold: deque[_Found | Lost] = deque(maxlen=MAX_UNTOLD)
        self._is_telling = False

    def hear(self, sound: bytes) -> None:
        """Give sound to the catalogue's listeners."""
        if not sound:
            return
        if self._hearing is None:
            self._hearing = self._hearings.open(SoundForm(self._line.form.sample_rate, Encoding.S16), self._on_heard)
        try:
            given_up = self._hearing.offer(sound)
        except InvalidAudio as error:
            self._line.tell(Failed(error))
            return
        if given_up:
            self._line.tell(Failed(Overloaded(f"{given_up:.1f} s of sound were left out")))

    def note(self, event: Event) -> None:
        """Answer `Clear` and `Notify`: nothing is ever queued."""
        match event:
            case Clear():
                self._line.tell(Cleared())
            case Notify(payload=payload):
                self._line.tell(Played(payload))

    def close(self) -> None:
        """Hear no more."""
        if self._hearing is not None:
            self._hearing.close()

    def _on_heard(self, heard: Heard) -> None:
        if heard.error is not None:
            self._line.tell(Failed(heard.error))
        seconds = heard.progress.seconds if heard.progress else 0.0
        for event in heard.events:
            self._untold.append(_Found(event.hits, seconds) if isinstance(event, Matched) else event)
        if self._untold and not self._is_telling:
            try:
                self._line.start(TELLING, self._tell)
                self._is_telling = True
            except (SessionClosed, Draining):  # there will be nobody to tell
                self._untold.clear()

    async def _tell(self) -> None:
        try:
            while self._untold:
                match self._untold.popleft():
                    case _Found() as found:
                        await self._tell_found(found)
                    case Lost():
                        self._line.tell(MusicStopped())
        finally:
            self._is_telling = False

    async def _tell_found(self, found: _Found) -> None:
        tracks = {track.id: track for track in await self._find_tracks([hit.track_id for hit in found.hits])}
        known = tuple((hit, tracks[hit.track_id]) for hit in found.hits if hit.track_id in tracks)
        if known:  # else they were removed in this moment
            self._line.tell(MusicHeard(known, found.seconds))
