"""The empty root.

Each later revision is one file, `NNNN_what.py`, with plain operations (`op.create_table`) that import no room:
a revision describes the past, and rooms change. Alter tables inside `op.batch_alter_table`, for SQLite.
"""

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """There is nothing yet."""


def downgrade() -> None:
    """There is nothing yet."""
