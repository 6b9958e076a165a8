"""What is done with one file before the catalogue can keep it: is its content there already, and how does it sound?"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import InvalidAudio, NotFound
from app.fingerprint.fingerprint import VERSION
from app.fingerprint.labels import Labels, tidy
from app.fingerprint.readers import Listened, Readers
from app.fingerprint.reading import Facts
from app.fingerprint.sources import Source
from app.fingerprint.store import Store
from app.fingerprint.track import NewTrack, Track
from app.runtime.workers import FILES_POOL, Workers

LEAST_PEAKS: Final = 50
"""What a second of music has. Of less, nothing could be found with any certainty."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A file whose content is new."""

    track: NewTrack
    damage: str | None
    """What in the file could not be read."""


class Intake:
    """Looks at files.

    Args:
        store: knows which contents are there.
        readers: make fingerprints.
        workers: has the pool `files`.
        max_seconds: of sound that one file may have.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        readers: Readers,
        workers: Workers,
        *,
        max_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._readers = readers
        self._workers = workers
        self._max_seconds = max_seconds
        self._clock = clock

    @property
    def at_once(self) -> int:
        """How many files are best looked at together: one is hashed while the others are listened to."""
        return self._readers.count + 1

    async def look(self, source: Source, *, name: str | None = None) -> Track | Heard:
        """Return the track that has a file's content and a fingerprint of now, or what is to be kept of it.

        Of what nobody said, a title is taken from the file's tags, or its name, or `name` instead of it.

        Raises:
            NotFound: the file is not there, or may not be read.
            InvalidAudio: there is no sound in it, too much, or nothing to recognise it by.
            DeadlineExceeded: listening to it came to no end.
            Unavailable: the store does not answer, or no process can be started.
        """
        content_hash = await self._workers.run(FILES_POOL, lambda: hash_of(source.path))
        known = await self._store.find_content(content_hash)
        if known is not None and known.version >= VERSION:
            return known
        listened = await self._readers.listen(source.path, max_seconds=self._max_seconds)
        if listened.facts.peaks < LEAST_PEAKS:
            heard = f"{listened.facts.peaks} peaks in {listened.facts.duration:.1f} s"
            raise InvalidAudio(f"there is too little in it to recognise it by: {heard}", field="file")
        told = Labels(title=_title(listened.facts) or tidy(Path(name or source.path.name).stem))
        return Heard(self._new_track(source.labels.over(told), content_hash, listened), listened.facts.damage)

    def _new_track(self, labels: Labels, content_hash: str, listened: Listened) -> NewTrack:
        return NewTrack(
            labels=labels,
            duration=listened.facts.duration,
            content_hash=content_hash,
            version=listened.facts.version,
            added_ms=int(self._clock() * 1000),
            fingerprint=listened.fingerprint,
        )


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. It blocks.

    Raises:
        NotFound: it is not there, or may not be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise NotFound(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _title(facts: Facts) -> str | None:
    """Return a title out of tags: `Artist - Title`."""
    if facts.title is None or facts.artist is None:
        return facts.title
    return tidy(f"{facts.artist} - {facts.title}")
