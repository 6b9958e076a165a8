"""What is read of the tables of tracks. Every function runs in a transaction of its caller's."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select

from app.fingerprint.store import Changes, Listing, NewSound, Page, StoredFingerprint, StoreFigures
from app.fingerprint.tables import catalogue, fingerprints, removals, tracks
from app.fingerprint.track import Track

MAX_INTEGER: Final = 2**62
"""What databases take for a whole number, and may add to; no id and no row lies beyond it."""


def origin(connection: Connection) -> str:
    """Return the name of the catalogue."""
    found: str = connection.execute(select(catalogue.c.origin)).scalar_one()
    return found


def find(connection: Connection, track_ids: Collection[int]) -> list[Track]:
    """Return tracks by id."""
    wanted = select(tracks).where(tracks.c.id.in_(_storable(track_ids))).order_by(tracks.c.id)
    return [track_of(row) for row in connection.execute(wanted)]


def find_content(connection: Connection, content_hash: str) -> Track | None:
    """Return the track with this content."""
    row = connection.execute(select(tracks).where(tracks.c.content_hash == content_hash)).one_or_none()
    return track_of(row) if row else None


def page(connection: Connection, page: Page) -> Listing:
    """Return a page, newest first, and count all."""
    total = connection.execute(_filtered(select(func.count()).select_from(tracks), page)).scalar_one()
    wanted = _filtered(select(tracks), page).order_by(tracks.c.id.desc())
    rows = connection.execute(wanted.limit(page.length).offset(min(page.offset, MAX_INTEGER)))
    return Listing([track_of(row) for row in rows], total)


def changes(connection: Connection, since: int) -> Changes:
    """Return what changed after a generation."""
    # The generation first: on PostgreSQL what follows may see more than it, which will be told again, but never less.
    generation = connection.execute(select(catalogue.c.generation)).scalar_one()
    if generation <= since:
        return Changes(generation)
    return Changes(
        generation,
        sounds=_sounds(connection, since),
        labels=_changed(connection, tracks.c.id, tracks.c.generation, since),
        removed=_changed(connection, removals.c.track_id, removals.c.generation, since),
    )


def stored(connection: Connection, track_ids: Collection[int]) -> list[StoredFingerprint]:
    """Return fingerprints by track."""
    table = fingerprints.c
    wanted = select(table.track_id, table.version, table.data).where(table.track_id.in_(_storable(track_ids)))
    rows = connection.execute(wanted.order_by(table.track_id))
    return [StoredFingerprint(row.track_id, row.version, bytes(row.data)) for row in rows]


def next_ids(connection: Connection, after: int, limit: int) -> list[int]:
    """Return the ids that follow."""
    wanted = select(tracks.c.id).where(tracks.c.id > after).order_by(tracks.c.id).limit(limit)
    return list(connection.execute(wanted).scalars())


def figures(connection: Connection) -> StoreFigures:
    """Count everything; the sizes are read from an index, not from the fingerprints themselves."""
    by_version = select(
        fingerprints.c.version, func.count().label("tracks"), func.sum(fingerprints.c.size).label("size")
    ).group_by(fingerprints.c.version)
    rows = connection.execute(by_version.order_by(fingerprints.c.version)).all()
    return StoreFigures(
        tracks=sum(row.tracks for row in rows),
        seconds=connection.execute(select(func.sum(tracks.c.duration))).scalar_one() or 0.0,
        fingerprint_bytes=sum(int(row.size) for row in rows),
        generation=connection.execute(select(catalogue.c.generation)).scalar_one(),
        versions={row.version: row.tracks for row in rows},
    )


def track_of(row: Row[Any]) -> Track:
    """Return the track that a row of `tracks` tells of."""
    return Track(
        id=row.id,
        video_id=row.video_id,
        title=row.title,
        url=row.url,
        thumbnail_url=row.thumbnail_url,
        duration=row.duration,
        content_hash=row.content_hash,
        version=row.version,
        added_ms=row.added_ms,
    )


def _sounds(connection: Connection, since: int) -> tuple[NewSound, ...]:
    new = select(fingerprints.c.track_id, fingerprints.c.generation).where(fingerprints.c.generation > since)
    rows = connection.execute(new.order_by(fingerprints.c.generation, fingerprints.c.track_id))
    return tuple(NewSound(row.track_id, row.generation) for row in rows)


def _changed(connection: Connection, id: Any, generation: Any, since: int) -> tuple[int, ...]:
    return tuple(connection.execute(select(id).where(generation > since).order_by(id)).scalars())


def _filtered(query: Select[Any], page: Page) -> Select[Any]:
    if page.text is not None:
        query = query.where(func.lower(tracks.c.title).contains(_askable(page.text.lower()), autoescape=True))
    if page.video_id is not None:
        query = query.where(tracks.c.video_id == _askable(page.video_id))
    if page.content_hash is not None:
        query = query.where(tracks.c.content_hash == _askable(page.content_hash))
    return query


def _askable(text: str) -> str:
    """Return a text that a database takes; one that no label can hold finds nothing."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\x01")


def _storable(track_ids: Collection[int]) -> list[int]:
    return [id for id in track_ids if abs(id) < MAX_INTEGER]
