"""What call platforms reported."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "callbacks",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("query", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
    )
    op.create_index("ix_callbacks_received_ms", "callbacks", ["received_ms"])
    op.create_table(
        "callback_fields",
        sa.Column("callback_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("callback_id", "key", name="pk_callback_fields"),
        sa.ForeignKeyConstraint(
            ["callback_id"], ["callbacks.id"], name="fk_callback_fields_callback_id_callbacks", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_callback_fields_key_callback_id", "callback_fields", ["key", "callback_id"])


def downgrade() -> None:
    """Forget all reports."""
    op.drop_table("callback_fields")
    op.drop_table("callbacks")
