"""How tracks are changed. Every function runs in a transaction of its caller's."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from app.errors import Taken
from app.fingerprint.labels import Labels
from app.fingerprint.store import Kept, Outcome
from app.fingerprint.tables import fingerprints, removals, tracks
from app.fingerprint.track import NewTrack, Track
from app.fingerprint.track_rows import find, track_of
from app.fingerprint.turn import Turn


def add(connection: Connection, added: Sequence[NewTrack]) -> list[Kept]:
    """Keep tracks that are new, or have a fingerprint of a newer version."""
    batch = _Batch(Turn(connection), added)
    kept = [batch.keep(track) for track in added]
    batch.write()
    return kept


def relabel(connection: Connection, track_id: int, change: Callable[[Labels], Labels]) -> Track | None:
    """Change what is shown of a track."""
    turn = Turn(connection)
    if not (found := find(connection, [track_id])):
        return None
    old = found[0].labels
    new = change(old).over(Labels(old.video_id, old.title))
    if new == old:
        return found[0]
    if new.video_id != old.video_id and _is_taken(connection, new.video_id):
        raise Taken(f"video_id '{new.video_id}' is another track's", field="video_id")
    texts = {name: getattr(new, name) for name in ("video_id", "title", "url", "thumbnail_url")}
    mine = update(tracks).where(tracks.c.id == track_id)
    connection.execute(mine.values(generation=turn.generation, **texts))
    turn.end()
    return find(connection, [track_id])[0]


def remove(connection: Connection, track_ids: Collection[int]) -> frozenset[int]:
    """Forget tracks, and note that they are gone."""
    turn = Turn(connection)
    gone = [track.id for track in find(connection, track_ids)]
    if gone:
        connection.execute(delete(fingerprints).where(fingerprints.c.track_id.in_(gone)))
        connection.execute(delete(tracks).where(tracks.c.id.in_(gone)))
        connection.execute(insert(removals), [{"track_id": id, "generation": turn.generation} for id in gone])
        turn.end()
    return frozenset(gone)


class _Batch:
    """Tracks that are added together, and what is there already of them."""

    def __init__(self, turn: Turn, added: Sequence[NewTrack]) -> None:
        self._turn = turn
        self._contents: dict[str, Track] = {}
        self._names: dict[str, Track] = {}
        self._new: list[tuple[int, NewTrack]] = []
        self._renewed: list[tuple[int, NewTrack]] = []
        wanted = or_(
            tracks.c.content_hash.in_([track.content_hash for track in added]),
            tracks.c.video_id.in_([track.video_id for track in added]),
        )
        for row in turn.connection.execute(select(tracks).where(wanted)):
            self._note(track_of(row))

    def keep(self, track: NewTrack) -> Kept:
        """Decide what becomes of a track."""
        known = self._contents.get(track.content_hash)
        if known is not None and known.version >= track.version:
            return Kept(Outcome.KNOWN, known)
        if known is not None:
            self._renewed.append((known.id, track))
            return Kept(Outcome.RENEWED, self._note(known.renewed(track)))
        if track.video_id in self._names:
            return Kept(Outcome.TAKEN, self._names[track.video_id])
        id = self._turn.new_id()
        self._new.append((id, track))
        return Kept(Outcome.ADDED, self._note(track.kept_as(id)))

    def write(self) -> None:
        """Write what was decided; with nothing to write, nothing happens."""
        generation, connection = self._turn.generation, self._turn.connection
        if self._new:
            connection.execute(insert(tracks), [_track_row(id, track, generation) for id, track in self._new])
            connection.execute(insert(fingerprints), [_sound_row(id, track, generation) for id, track in self._new])
        for id, track in self._renewed:
            renewed = {"duration": track.duration, "version": track.version, "generation": generation}
            connection.execute(update(tracks).where(tracks.c.id == id).values(renewed))
            mine = update(fingerprints).where(fingerprints.c.track_id == id)
            connection.execute(mine.values(_sound_row(id, track, generation)))
        if self._new or self._renewed:
            self._turn.end()

    def _note(self, track: Track) -> Track:
        self._contents[track.content_hash] = self._names[track.video_id] = track
        return track


def _track_row(id: int, track: NewTrack, generation: int) -> dict[str, Any]:
    return {
        "id": id,
        "video_id": track.video_id,
        "title": track.title,
        "url": track.labels.url,
        "thumbnail_url": track.labels.thumbnail_url,
        "duration": track.duration,
        "content_hash": track.content_hash,
        "version": track.version,
        "added_ms": track.added_ms,
        "generation": generation,
    }


def _sound_row(id: int, track: NewTrack, generation: int) -> dict[str, Any]:
    return {
        "track_id": id,
        "version": track.version,
        "generation": generation,
        "size": len(track.fingerprint),
        "data": track.fingerprint,
    }


def _is_taken(connection: Connection, video_id: str | None) -> bool:
    return connection.execute(select(tracks.c.id).where(tracks.c.video_id == video_id)).first() is not None
