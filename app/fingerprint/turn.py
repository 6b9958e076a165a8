"""The turn of who changes the catalogue: one at a time, on however many servers, so that generations come in order."""

from typing import Final

from sqlalchemy import Connection, select, text, update

from app.fingerprint.tables import catalogue

CHANNEL: Final = "chorus_tracks"
"""Of PostgreSQL, on which every generation is told when it is committed."""

_NOTIFY: Final = text("SELECT pg_notify(:channel, :generation)")


class Turn:
    """The right to change tracks, from its making to the end of the transaction; others wait for it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        row = connection.execute(select(catalogue).with_for_update()).one()  # SQLite's writer holds the file already
        self.generation: int = row.generation + 1
        """Of the changes of this turn."""
        self._last_track_id: int = row.last_track_id

    def new_id(self) -> int:
        """Return an id that no track ever had."""
        self._last_track_id += 1
        return self._last_track_id

    def end(self) -> None:
        """Let the generation pass; without it, nothing may have been changed."""
        values = {"generation": self.generation, "last_track_id": self._last_track_id}
        self.connection.execute(update(catalogue).values(values))
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(_NOTIFY, {"channel": CHANNEL, "generation": str(self.generation)})
