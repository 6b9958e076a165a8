"""Takes, voices and the calls to webhooks that are owed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNDONE = sa.text("status NOT IN ('error', 'ready', 'timeout')")
FIRST = sa.text("NOT is_behind")


def upgrade() -> None:
    """Make the three tables."""
    _make_takes()
    _make_voices()
    _make_deliveries()


def downgrade() -> None:
    """Forget all takes and voices."""
    op.drop_table("take_deliveries")
    op.drop_table("voices")
    op.drop_table("takes")


def _make_takes() -> None:
    op.create_table(
        "takes",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status_call_ms", sa.BigInteger()),
        sa.Column("status_call_code", sa.Integer()),
        sa.Column("done_call_ms", sa.BigInteger()),
        sa.Column("done_call_code", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_takes"),
    )
    _make_indices("takes")


def _make_voices() -> None:
    op.create_table(
        "voices",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("timestamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("design", sa.Text(), nullable=False),
        sa.Column("example_take_id", sa.Text()),
        sa.Column("done_call_ms", sa.BigInteger()),
        sa.Column("done_call_code", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_voices"),
    )
    _make_indices("voices")


def _make_indices(table: str) -> None:
    op.create_index(f"ix_{table}_owner_timestamp_ms_id", table, ["owner", "timestamp_ms", "id"])
    op.create_index(f"ix_{table}_maker_id", table, ["maker", "id"], sqlite_where=UNDONE, postgresql_where=UNDONE)


def _make_deliveries() -> None:
    op.create_table(
        "take_deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("hook", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("is_behind", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_take_deliveries"),
    )
    op.create_index(
        "ix_take_deliveries_receiver_next_ms_id",
        "take_deliveries",
        ["receiver", "next_ms", "id"],
        sqlite_where=FIRST,
        postgresql_where=FIRST,
    )
    op.create_index("ix_take_deliveries_subject_hook_id", "take_deliveries", ["subject", "hook", "id"])
