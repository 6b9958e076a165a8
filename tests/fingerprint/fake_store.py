"""A store that forgets when it goes; verified by the suite of the real ones (test_sql.py)."""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import anyio

from app.errors import Taken
from app.fingerprint.labels import Labels
from app.fingerprint.store import Changes, Kept, Listing, NewSound, Outcome, Page, StoredFingerprint, StoreFigures
from app.fingerprint.track import NewTrack, Track


@dataclass
class _Row:
    track: Track
    data: bytes
    changed: int
    sounded: int


class FakeStore:
    """`app.fingerprint.store.Store`."""

    def __init__(self) -> None:
        self.generation = 0
        self.rows: dict[int, _Row] = {}
        self.removed: dict[int, int] = {}
        self._last_id = 0
        self._origin = secrets.token_hex(16)
        self._listeners: list[Callable[[], None]] = []

    async def origin(self) -> str:
        return self._origin

    async def listen(self, heard: Callable[[], None]) -> None:
        self._listeners.append(heard)
        try:
            heard()
            await anyio.sleep_forever()
        finally:
            self._listeners.remove(heard)

    async def add(self, tracks: Sequence[NewTrack]) -> list[Kept]:
        generation = self.generation + 1
        kept = [self._add(track, generation) for track in tracks]
        if any(each.outcome in (Outcome.ADDED, Outcome.RENEWED) for each in kept):
            self._pass()
        return kept

    async def find(self, track_ids: Collection[int]) -> list[Track]:
        return [self.rows[id].track for id in sorted(self.rows.keys() & set(track_ids))]

    async def find_content(self, content_hash: str) -> Track | None:
        return next((row.track for row in self.rows.values() if row.track.content_hash == content_hash), None)

    async def list_tracks(self, page: Page) -> Listing:
        wanted = [row.track for row in self.rows.values() if _fits(row.track, page)]
        wanted.sort(key=lambda track: -track.id)
        return Listing(wanted[page.offset : page.offset + page.length], len(wanted))

    async def relabel(self, track_id: int, change: Callable[[Labels], Labels]) -> Track | None:
        if track_id not in self.rows:
            return None
        row = self.rows[track_id]
        old = row.track.labels
        new = change(old).over(Labels(old.video_id, old.title))
        if any(each.track.video_id == new.video_id for id, each in self.rows.items() if id != track_id):
            raise Taken("video_id", field="video_id")
        if new != old:
            row.changed = self._pass()
            texts = {"title": new.title or "", "url": new.url, "thumbnail_url": new.thumbnail_url}
            row.track = replace(row.track, video_id=new.video_id or "", **texts)
        return row.track

    async def remove(self, track_ids: Collection[int]) -> frozenset[int]:
        gone = frozenset(self.rows.keys() & set(track_ids))
        if gone:
            self._pass()
        for id in gone:
            del self.rows[id]
            self.removed[id] = self.generation
        return gone

    async def changes(self, since: int) -> Changes:
        rows = self.rows.items()
        sounds = [NewSound(id, row.sounded) for id, row in rows if row.sounded > since]
        return Changes(
            self.generation,
            tuple(sorted(sounds, key=lambda sound: (sound.generation, sound.track_id))),
            tuple(sorted(id for id, row in rows if row.changed > since)),
            tuple(sorted(id for id, generation in self.removed.items() if generation > since)),
        )

    async def fingerprints(self, track_ids: Collection[int]) -> list[StoredFingerprint]:
        found = [(id, self.rows[id]) for id in sorted(self.rows.keys() & set(track_ids))]
        return [StoredFingerprint(id, row.track.version, row.data) for id, row in found]

    async def next_ids(self, after: int, *, limit: int) -> list[int]:
        return sorted(id for id in self.rows if id > after)[:limit]

    async def figures(self) -> StoreFigures:
        rows = list(self.rows.values())
        return StoreFigures(
            tracks=len(rows),
            seconds=sum(row.track.duration for row in rows),
            fingerprint_bytes=sum(len(row.data) for row in rows),
            generation=self.generation,
            versions=dict(sorted(Counter(row.track.version for row in rows).items())),
        )

    def _pass(self) -> int:
        self.generation += 1
        for heard in self._listeners:
            heard()
        return self.generation

    def _add(self, new: NewTrack, generation: int) -> Kept:
        for id, row in self.rows.items():
            if row.track.content_hash == new.content_hash:
                if row.track.version >= new.version:
                    return Kept(Outcome.KNOWN, row.track)
                renewed = replace(row.track, duration=new.duration, version=new.version)
                self.rows[id] = _Row(renewed, new.fingerprint, generation, generation)
                return Kept(Outcome.RENEWED, renewed)
        for row in self.rows.values():
            if row.track.video_id == new.video_id:
                return Kept(Outcome.TAKEN, row.track)
        self._last_id += 1
        track = new.kept_as(self._last_id)
        self.rows[track.id] = _Row(track, new.fingerprint, generation, generation)
        return Kept(Outcome.ADDED, track)


def _fits(track: Track, page: Page) -> bool:
    return (
        (page.text is None or page.text.lower() in track.title.lower())
        and page.video_id in (None, track.video_id)
        and page.content_hash in (None, track.content_hash)
    )
