"""Tracks and their fingerprints."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the four tables, and the one row of the catalogue."""
    _make_tracks()
    _make_fingerprints()
    op.create_table(
        "track_removals",
        sa.Column("track_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_track_removals"),
    )
    op.create_index("ix_track_removals_generation", "track_removals", ["generation"])
    catalogue = op.create_table(
        "track_catalogue",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("last_track_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_track_catalogue"),
    )
    first = {"id": 1, "origin": secrets.token_hex(16), "generation": 0, "last_track_id": 0}
    op.bulk_insert(catalogue, [first])


def downgrade() -> None:
    """Forget all tracks."""
    op.drop_table("track_catalogue")
    op.drop_table("track_removals")
    op.drop_table("track_fingerprints")
    op.drop_table("tracks")


def _make_tracks() -> None:
    op.create_table(
        "tracks",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("video_id", NAME, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("thumbnail_url", sa.Text()),
        sa.Column("duration", sa.Double(), nullable=False),
        sa.Column("content_hash", NAME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tracks"),
        sa.UniqueConstraint("video_id", name="uq_tracks_video_id"),
        sa.UniqueConstraint("content_hash", name="uq_tracks_content_hash"),
    )
    op.create_index("ix_tracks_generation", "tracks", ["generation"])


def _make_fingerprints() -> None:
    op.create_table(
        "track_fingerprints",
        sa.Column("track_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_track_fingerprints"),
        sa.ForeignKeyConstraint(
            ["track_id"], ["tracks.id"], name="fk_track_fingerprints_track_id_tracks", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_track_fingerprints_generation", "track_fingerprints", ["generation"])
    op.create_index("ix_track_fingerprints_version_size", "track_fingerprints", ["version", "size"])
