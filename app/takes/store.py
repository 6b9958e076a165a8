"""Where takes and voices are kept, as the studio needs it: `app.takes.sql` is the real one."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from app.errors import InvalidInput
from app.takes.deliveries import Delivery
from app.takes.take import Take
from app.takes.voice import Voice

MAX_PAGE_LENGTH: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted; the newest come first.

    Raises:
        InvalidInput: a length or number out of its range, or too many ids.
    """

    ids: tuple[str, ...] | None = None
    """Only these, in any order, at most `MAX_PAGE_LENGTH`; None: all."""
    length: int = 100
    """Items of a page, 1 to `MAX_PAGE_LENGTH`."""
    number: int = 1
    """From 1."""
    older: int | None = None
    """Only those asked for at this time (milliseconds since the epoch) or before."""
    newer: int | None = None
    """Only those asked for at this time (milliseconds since the epoch) or later."""

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_PAGE_LENGTH:
            raise InvalidInput(f"length {self.length} must be 1 to {MAX_PAGE_LENGTH}", field="length")
        if self.number < 1:
            raise InvalidInput(f"page {self.number} must be 1 or more", field="page")
        if self.ids is not None and len(self.ids) > MAX_PAGE_LENGTH:
            raise InvalidInput(f"{len(self.ids)} ids, may be {MAX_PAGE_LENGTH}", field="ids")

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return (self.number - 1) * self.length


class Store(Protocol):
    """Takes and voices, durable. Every method raises `Unavailable` if the store cannot answer now.

    `deliveries` are calls to webhooks that are owed from then on (`app.takes.deliveries`): they are kept if and only
    if the change is that they tell of.
    """

    async def add_takes(self, takes: Sequence[Take], *, maker: str, deliveries: Sequence[Delivery] = ()) -> None:
        """Keep new takes, all or none. `maker` names the server that makes them."""

    async def save_take(self, take: Take, *, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep the status, the audio's facts and the error of a take; all else of it never changes here.

        Returns:
            False if it was deleted, or was done already: it stays so then, and no call is owed.
        """

    async def find_take(self, owner: str, take_id: str) -> Take | None:
        """Return an account's take."""

    async def list_takes(self, owner: str, page: Page) -> list[Take]:
        """Return an account's takes, newest first; takes of one millisecond by id, the later one first."""

    async def delete_take(self, owner: str, take_id: str) -> bool:
        """Forget a take; returns whether there was one."""

    async def known_takes(self, take_ids: Collection[str]) -> frozenset[str]:
        """Return those of the ids (at most `MAX_PAGE_LENGTH`) that takes have, of whatever account."""

    async def unfinished_takes(self, maker: str, *, limit: int, after: str = "") -> list[Take]:
        """Return takes of a server that are not done, oldest first by id, beginning behind the id `after`."""

    async def overdue_takes(self, *, before_ms: int, limit: int) -> list[Take]:
        """Return takes, of whatever server, that were asked for before a time and are not done, oldest first."""

    async def add_voice(self, voice: Voice, *, maker: str = "", deliveries: Sequence[Delivery] = ()) -> None:
        """Keep a new voice; one of this id that is there already stays as it is. `maker` is as with takes."""

    async def save_voice(self, voice: Voice, *, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep the status and the example of a voice, as `save_take` does; what its user changes stays as it is."""

    async def change_voice(self, owner: str, voice_id: str, change: Callable[[Voice], Voice]) -> Voice | None:
        """Change what was asked for of an account's voice (`request`) and its design; returns the voice as it is now.

        `change` is pure and quick: it runs in a thread, inside the transaction, so that no other change is lost.
        Everybody's voices are nobody's to change: None, as where there is none. What it raises is raised, and
        nothing has changed.
        """

    async def find_voice(self, owner: str, voice_id: str) -> Voice | None:
        """Return a voice of the account or of everybody."""

    async def list_voices(self, owner: str, page: Page) -> list[Voice]:
        """Return the voices of the account and of everybody, newest first, as `list_takes` does."""

    async def delete_voice(self, owner: str, voice_id: str) -> bool:
        """Forget a voice of the account; returns whether there was one."""

    async def unfinished_voices(self, maker: str) -> list[Voice]:
        """Return the voices of a server that are not done, oldest first by id."""
