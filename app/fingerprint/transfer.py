"""Taking a whole catalogue out of a store, and into one: a handful of tracks at a time, whatever its size."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Final

from app.fingerprint import archive
from app.fingerprint.sources import Flaw
from app.fingerprint.store import Kept, Outcome, Store
from app.fingerprint.track import NewTrack
from app.runtime.workers import FILES_POOL, Workers

BATCH: Final = 64
"""Tracks that are read or kept at once; with their fingerprints some 4 MB."""


@dataclass(slots=True)
class Imported:
    """What came of an import."""

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    flaws: list[Flaw] = field(default_factory=list)
    """What could not be taken in."""


async def export(store: Store) -> AsyncGenerator[bytes, None]:
    """Yield an archive of all tracks, in the order of their ids; close it (`contextlib.aclosing`).

    What is added or removed meanwhile is in it or not, but whole in either case.

    Raises:
        Unavailable: the store does not answer; what was yielded is no whole archive then.
    """
    yield archive.head()
    last, count = 0, 0
    while ids := await store.next_ids(last, limit=BATCH):
        last = ids[-1]
        sounds = {sound.track_id: sound for sound in await store.fingerprints(ids)}
        for track in await store.find(ids):
            # a fingerprint that was renewed in between is another version's
            if track.id in sounds and sounds[track.id].version == track.version:
                yield archive.entry(track, sounds[track.id].data)
                count += 1
    yield archive.end(count)


async def import_archive(
    file: IO[bytes], add: Callable[[Sequence[NewTrack]], Awaitable[list[Kept]]], workers: Workers
) -> Imported:
    """Keep the tracks of an archive that are not there yet.

    Args:
        file: is read forward, in the pool `files`.
        add: keeps tracks, as `Store.add`.
        workers: has that pool.

    Raises:
        InvalidInput: it is no archive of a catalogue; or it is damaged, and what came before is kept.
        Unavailable: the store does not answer; what came before is kept.
    """
    imported, found = Imported(), archive.read(file)
    while batch := await workers.run(FILES_POOL, lambda: list(islice(found, BATCH))):
        imported.flaws += [each for each in batch if isinstance(each, Flaw)]
        for kept in await add([each for each in batch if isinstance(each, NewTrack)]):
            _note(imported, kept)
    return imported


def _note(imported: Imported, kept: Kept) -> None:
    imported.outcomes[kept.outcome] += 1
    if kept.outcome is Outcome.TAKEN:
        taken = f"video_id '{kept.track.video_id}' is another track's: '{kept.track.title}'"
        imported.flaws.append(Flaw(f"a track called '{kept.track.video_id}'", taken))
