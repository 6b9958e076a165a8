"""The tables of tracks.

Their fingerprints stand in a table of their own, so that a list of tracks does not turn over 60 KB a row.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from app.runtime.schema import metadata

Name: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does."""

tracks: Final = Table(
    "tracks",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("video_id", Name, nullable=False),
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("thumbnail_url", Text),
    Column("duration", Double, nullable=False),
    Column("content_hash", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("added_ms", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    UniqueConstraint("video_id"),
    UniqueConstraint("content_hash"),
    Index("ix_tracks_generation", "generation"),
)
"""`generation` is that of the last change of anything."""

fingerprints: Final = Table(
    "track_fingerprints",
    metadata,
    Column("track_id", BigInteger, ForeignKey("tracks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("ix_track_fingerprints_generation", "generation"),
    Index("ix_track_fingerprints_version_size", "version", "size"),
)
"""`generation` is that in which the fingerprint came; `size` is that of `data` in bytes."""

removals: Final = Table(
    "track_removals",
    metadata,
    Column("track_id", BigInteger, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Index("ix_track_removals_generation", "generation"),
)
"""Tracks that are gone, so that servers that were away hear of it."""

catalogue: Final = Table(
    "track_catalogue",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("last_track_id", BigInteger, nullable=False),
)
"""One row. `origin` is random, so that no two catalogues are taken for one.

Who changes tracks holds the row from the first look to the commit: so generations become visible in order.
"""
