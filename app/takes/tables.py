"""The tables of takes, voices and calls to webhooks."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text

from app.runtime.schema import metadata

Id: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does: ids sort by time in whatever language the database speaks."""

UNDONE: Final = text("status NOT IN ('error', 'ready', 'timeout')")
"""What is not done (`Status.is_done`). Without parameters, so that a database sees that its partial index answers."""

FIRST: Final = text("NOT is_behind")
"""The calls that can be claimed: of each hook of each take the first."""

takes: Final = Table(
    "takes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("maker", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("request", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status_call_ms", BigInteger),
    Column("status_call_code", Integer),
    Column("done_call_ms", BigInteger),
    Column("done_call_code", Integer),
    Index("ix_takes_owner_timestamp_ms_id", "owner", "timestamp_ms", "id"),
    Index("ix_takes_maker_id", "maker", "id", sqlite_where=UNDONE, postgresql_where=UNDONE),
)
"""`request` and `outcome` are documents (`app.takes.documents`); the calls are the webhooks' last ones."""

voices: Final = Table(
    "voices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Text),
    Column("maker", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("request", Text, nullable=False),
    Column("design", Text, nullable=False),
    Column("example_take_id", Text),
    Column("done_call_ms", BigInteger),
    Column("done_call_code", Integer),
    Index("ix_voices_owner_timestamp_ms_id", "owner", "timestamp_ms", "id"),
    Index("ix_voices_maker_id", "maker", "id", sqlite_where=UNDONE, postgresql_where=UNDONE),
)
"""Those without owner are everybody's."""

deliveries: Final = Table(
    "take_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("is_behind", Boolean, nullable=False),
    Index(
        "ix_take_deliveries_receiver_next_ms_id",
        "receiver",
        "next_ms",
        "id",
        sqlite_where=FIRST,
        postgresql_where=FIRST,
    ),
    Index("ix_take_deliveries_subject_hook_id", "subject", "hook", "id"),
)
"""The calls that are owed; one that is done is gone."""
