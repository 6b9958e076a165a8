"""Tracks and fingerprints in the one durable store.

What is read and what is changed stand in files of their own; here it gets its transaction.
"""

from collections.abc import Callable, Collection, Sequence

from app.fingerprint import track_changes, track_rows
from app.fingerprint.labels import Labels
from app.fingerprint.store import Changes, Kept, Listing, Page, StoredFingerprint, StoreFigures
from app.fingerprint.track import NewTrack, Track
from app.fingerprint.turn import CHANNEL
from app.runtime.database import Database


class SqlStore:
    """`app.fingerprint.store.Store` on a database that is migrated. Raises and is cancelled as `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def origin(self) -> str:
        """Return what no other catalogue is called."""
        return await self._database.read(track_rows.origin)

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever something may have changed; SQLite cannot tell, and returns."""
        await self._database.listen(CHANNEL, heard)

    async def add(self, tracks: Sequence[NewTrack]) -> list[Kept]:
        """Keep tracks with their fingerprints in one transaction."""
        if not tracks:
            return []
        return await self._database.write(lambda connection: track_changes.add(connection, tracks))

    async def find(self, track_ids: Collection[int]) -> list[Track]:
        """Return those tracks that are there."""
        return await self._database.read(lambda connection: track_rows.find(connection, track_ids))

    async def find_content(self, content_hash: str) -> Track | None:
        """Return the track with this content."""
        return await self._database.read(lambda connection: track_rows.find_content(connection, content_hash))

    async def list_tracks(self, page: Page) -> Listing:
        """Return a page of the tracks, newest first."""
        return await self._database.read(lambda connection: track_rows.page(connection, page))

    async def relabel(self, track_id: int, change: Callable[[Labels], Labels]) -> Track | None:
        """Change what is shown of a track."""
        return await self._database.write(lambda connection: track_changes.relabel(connection, track_id, change))

    async def remove(self, track_ids: Collection[int]) -> frozenset[int]:
        """Forget tracks and their fingerprints."""
        return await self._database.write(lambda connection: track_changes.remove(connection, track_ids))

    async def changes(self, since: int) -> Changes:
        """Return what changed after a generation."""
        return await self._database.read(lambda connection: track_rows.changes(connection, since))

    async def fingerprints(self, track_ids: Collection[int]) -> list[StoredFingerprint]:
        """Return the fingerprints of those tracks that are there."""
        return await self._database.read(lambda connection: track_rows.stored(connection, track_ids))

    async def next_ids(self, after: int, *, limit: int) -> list[int]:
        """Return the ids of the tracks that follow on an id."""
        return await self._database.read(lambda connection: track_rows.next_ids(connection, after, limit))

    async def figures(self) -> StoreFigures:
        """Return how much there is."""
        return await self._database.read(track_rows.figures)
