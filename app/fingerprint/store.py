"""Where tracks and their fingerprints are kept, as the catalogue needs it: `app.fingerprint.sql` is the real one.

A generation counts the changes, from 0. Whoever has seen one asks for what changed since, and misses nothing: a change
is visible no earlier than all changes of the generations before.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from app.errors import InvalidInput
from app.fingerprint.labels import Labels
from app.fingerprint.track import NewTrack, Track

MAX_PAGE_LENGTH: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the list is wanted; the newest come first.

    Raises:
        InvalidInput: a length or number out of its range.
    """

    length: int = 100
    """Tracks of a page, 1 to `MAX_PAGE_LENGTH`."""
    number: int = 1
    """From 1."""
    text: str | None = None
    """Only those whose title holds it, in whatever case (of the letters A to Z)."""
    video_id: str | None = None
    """Only that of this name."""
    content_hash: str | None = None
    """Only that of this hash."""

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_PAGE_LENGTH:
            raise InvalidInput(f"length {self.length} must be 1 to {MAX_PAGE_LENGTH}", field="per_page")
        if self.number < 1:
            raise InvalidInput(f"page {self.number} must be 1 or more", field="page")

    @property
    def offset(self) -> int:
        """How many tracks come before the page."""
        return (self.number - 1) * self.length


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of tracks, and how many there are on all pages."""

    tracks: list[Track]
    total: int


class Outcome(StrEnum):
    """What became of a track that was to be kept."""

    ADDED = "added"
    KNOWN = "known"
    """Its content is there already, and nothing has changed."""
    RENEWED = "renewed"
    """Its content was there with a fingerprint of an older version, which is replaced."""
    TAKEN = "taken"
    """Another track has its video id: it was not kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a track, and which one is there now: for `TAKEN` the one that has the name."""

    outcome: Outcome
    track: Track


@dataclass(frozen=True, slots=True)
class NewSound:
    """A track that is new, or has another fingerprint."""

    track_id: int
    generation: int
    """In which that came."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since a generation."""

    generation: int
    """Of the last change."""
    sounds: tuple[NewSound, ...] = ()
    """In the order of their generations, then of their ids."""
    labels: tuple[int, ...] = ()
    """Ids of tracks of which anything is new, in ascending order."""
    removed: tuple[int, ...] = ()
    """Ids of tracks that are gone, in ascending order."""


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """How much there is."""

    tracks: int = 0
    seconds: float = 0.0
    fingerprint_bytes: int = 0
    generation: int = 0
    versions: dict[int, int] = field(default_factory=dict)
    """How many tracks have a fingerprint of which version."""


@dataclass(frozen=True, slots=True)
class StoredFingerprint:
    """The fingerprint of a track, as it is kept."""

    track_id: int
    version: int
    data: bytes


class Store(Protocol):
    """Tracks and fingerprints, durable. Every method raises `Unavailable` if the store cannot answer now."""

    async def origin(self) -> str:
        """Return what no other catalogue is called: generations of two cannot be compared."""

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever something may have changed, until it is cancelled; a store that cannot tell returns.

        It is called once at the beginning too. Notices may be lost: look at `changes` now and then.

        Raises:
            Unavailable: also if it cannot tell any more.
        """

    async def add(self, tracks: Sequence[NewTrack]) -> list[Kept]:
        """Keep tracks with their fingerprints, all that can be in one transaction; tells of each what became of it."""

    async def find(self, track_ids: Collection[int]) -> list[Track]:
        """Return those tracks that are there, in the order of their ids."""

    async def find_content(self, content_hash: str) -> Track | None:
        """Return the track with this content."""

    async def list_tracks(self, page: Page) -> Listing:
        """Return a page of the tracks, newest first: those with the highest ids."""

    async def relabel(self, track_id: int, change: Callable[[Labels], Labels]) -> Track | None:
        """Change what is shown of a track; returns it as it is now, None if there is none.

        `change` is pure and quick: it runs in a thread, inside the transaction. What it says None of goes, but a video
        id and a title stay. Where it changes nothing, no generation passes.

        Raises:
            Taken: another track has the video id.
        """

    async def remove(self, track_ids: Collection[int]) -> frozenset[int]:
        """Forget tracks and their fingerprints; returns which there were."""

    async def changes(self, since: int) -> Changes:
        """Return what changed after a generation."""

    async def fingerprints(self, track_ids: Collection[int]) -> list[StoredFingerprint]:
        """Return the fingerprints of those tracks that are there, in the order of their ids."""

    async def next_ids(self, after: int, *, limit: int) -> list[int]:
        """Return the ids of the tracks that follow on an id, in ascending order."""

    async def figures(self) -> StoreFigures:
        """Return how much there is."""
