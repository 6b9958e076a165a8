"""Where takes and voices are kept, as the studio needs it: `app.takes.sql` is the real one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.takes.take import Status, Take
from app.takes.voice import Voice

MAX_PAGE_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted; the newest come first."""

    ids: tuple[str, ...] | None = None
    """Only these, in any order; None: all."""
    length: int = 100
    """Items of a page, at most `MAX_PAGE_LENGTH`."""
    number: int = 1
    older: int | None = None
    """Only those asked for at this time (milliseconds since the epoch) or before."""
    newer: int | None = None
    """Only those asked for at this time (milliseconds since the epoch) or later."""


class Store(Protocol):
    """Takes and voices, durable. Every method raises `Unavailable` if the store cannot answer now."""

    async def add_takes(self, takes: Sequence[Take], *, maker: str) -> None:
        """Keep new takes, all or none. `maker` names the server that makes them."""

    async def save_take(self, take: Take) -> None:
        """Keep what changed of a take; one that was deleted meanwhile stays deleted."""

    async def find_take(self, owner: str, take_id: str) -> Take | None:
        """Return an account's take."""

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        """Return an account's takes, newest first; takes of one millisecond by id, the later one first."""

    async def delete_take(self, owner: str, take_id: str) -> bool:
        """Forget a take; returns whether there was one."""

    async def unfinished_takes(self, maker: str, *, limit: int, after: str = "") -> list[Take]:
        """Return takes of a server that are not done, oldest first by id, beginning behind the id `after`."""

    async def expire_takes(self, *, before_ms: int, status: Status, error: str) -> list[Take]:
        """End all takes, of whatever server, that were asked for before a time and are not done; returns them."""

    async def add_voice(self, voice: Voice) -> None:
        """Keep a new voice; one of this id that is there already stays as it is."""

    async def save_voice(self, voice: Voice) -> None:
        """Keep what changed of a voice; one that was deleted meanwhile stays deleted."""

    async def find_voice(self, owner: str, voice_id: str) -> Voice | None:
        """Return a voice of the account or of everybody."""

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        """Return the voices of the account and of everybody, newest first."""

    async def delete_voice(self, owner: str, voice_id: str) -> bool:
        """Forget a voice of the account; returns whether there was one."""

    async def unfinished_voices(self) -> list[Voice]:
        """Return all voices that are not done, for a server that starts."""
