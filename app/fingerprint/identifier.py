"""Says of recordings which tracks are heard in them: a few at a time, the clients in turn."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from app.audio.pcm import Samples
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.cues import Cue
from app.fingerprint.extent import extent
from app.fingerprint.hit import Hit
from app.fingerprint.identification import identify
from app.fingerprint.index import Index
from app.fingerprint.listener import Listener, listen
from app.fingerprint.readers import Readers
from app.fingerprint.search import search
from app.fingerprint.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE
from app.fingerprint.track import Track
from app.fingerprint.view import View
from app.runtime.queue import WaitingLine
from app.runtime.workers import Workers

IDENTIFICATION_POOL: Final = "identification"
"""Name of the threads that search: one for each recording that is looked at."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A stretch of a recording, and the track that is heard there."""

    cue: Cue
    track: Track


@dataclass(frozen=True, slots=True)
class Identified:
    """What is heard in a recording."""

    seconds: float
    """That it has."""
    sightings: Sequence[Sighting]
    """In their order."""


class Identifier:
    """Looks at recordings.

    Args:
        catalogue: whose tracks are heard.
        readers: decode the recordings.
        workers: has the pool `identification`.
        at_once: recordings that are looked at side by side.
        waiting: recordings that may wait for that.
        max_seconds: of sound that one may have.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        readers: Readers,
        workers: Workers,
        *,
        at_once: int,
        waiting: int,
        max_seconds: float,
    ) -> None:
        self.line = WaitingLine(concurrency=at_once, depth=waiting)
        self._catalogue = catalogue
        self._readers = readers
        self._workers = workers
        self._max_seconds = max_seconds

    async def identify(self, path: Path, *, client: str) -> Identified:
        """Return what is heard in a file; `client` is whose turn it takes. A minute takes about a tenth of a second.

        Cancellation: ends the work, and returns when nothing of it is left.

        Raises:
            QueueFull: too many wait.
            InvalidAudio: there is no sound in it, or more than `max_seconds`.
            DeadlineExceeded: it could not be read in time.
            Unavailable: the catalogue cannot be searched now.
        """
        async with self.line.turn(client):
            index = await self._workers.run(IDENTIFICATION_POOL, self._catalogue.index)
            samples = self._readers.samples(path, max_seconds=self._max_seconds, guarded=True)
            async with aclosing(samples) as blocks:
                found = await identify(blocks, partial(self._look, index))
        tracks = {track.id: track for track in await self._catalogue.find({cue.track_id for cue in found.cues})}
        # a track may have been removed while it was listened to
        sightings = [Sighting(cue, tracks[cue.track_id]) for cue in found.cues if cue.track_id in tracks]
        return Identified(found.seconds, sightings)

    async def _look(self, index: Index, samples: Samples) -> list[Cue]:
        return await self._workers.run(IDENTIFICATION_POOL, partial(look, index.view(), samples))


def look(view: View, samples: Samples) -> list[Cue]:
    """Return what is heard in samples at the rate of analysis, and from when to when. It blocks."""
    query, seconds = listen(samples), len(samples) / SAMPLE_RATE
    return [_cue(view, query, hit, seconds) for hit in search(view, query)]


def _cue(view: View, query: Listener, hit: Hit, seconds: float) -> Cue:
    track = view.reel.find(hit.track_id)
    start, end = extent(view, query, hit, track, seconds=seconds) if track else (0.0, seconds)
    # where a track begins within the query, only the end of the hit tells where it is
    behind = query.frames / FRAMES_PER_SECOND - start
    at_start = hit.start + start * hit.speed if hit.start > 0 else hit.end - behind * hit.speed
    return Cue(
        track_id=hit.track_id,
        start=start,
        end=end,
        track_start=max(0.0, at_start),
        speed=hit.speed,
        score=hit.score,
        confidence=hit.confidence,
        similarity=hit.similarity,
    )
