"""Counts of what the voices did."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of counted events."""
    op.create_table(
        "speech_statistics",
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("backend", "event", "bucket", name="pk_speech_statistics"),
    )


def downgrade() -> None:
    """Forget all counts."""
    op.drop_table("speech_statistics")
