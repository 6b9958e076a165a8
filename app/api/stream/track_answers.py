"""What the routes of the catalogue take and answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.fingerprint.catalogue import Figures
from app.fingerprint.duplicates import Likeness
from app.fingerprint.fingerprint import VERSION
from app.fingerprint.labels import Labels
from app.fingerprint.store import MAX_PAGE_LENGTH, Listing, Outcome, Page
from app.fingerprint.track import Track
from app.fingerprint.transfer import Imported


class TrackAnswer(BaseModel):
    """A track."""

    id: int
    video_id: str
    title: str
    url: str | None
    thumbnail_url: str | None
    duration: float
    """Seconds."""
    content_hash: str
    """SHA-256 of the file."""
    fingerprint_version: int
    added_at: str
    """RFC 3339, UTC."""


class NearDuplicate(BaseModel):
    """Another track that is nearly the same."""

    id: int
    seconds: float
    """That are alike, in steps of ten."""
    share: float
    """Of the shorter one, 0 to 1."""
    offset: float
    """Seconds in the other track at which this one would begin."""


class KeptAnswer(TrackAnswer):
    """A track that was uploaded."""

    outcome: Literal["added", "known", "renewed"]
    damage: str | None = None
    """What in the file could not be read, if it was taken in nevertheless."""
    near_duplicates: list[NearDuplicate] | None = None
    """The most alike first; null if that could not be told now."""


class TrackList(BaseModel):
    """A page of tracks, newest first."""

    data: list[TrackAnswer]
    total: int
    page: int
    per_page: int
    total_pages: int


class TracksQuery(BaseModel):
    """The query of `GET /api/v1/tracks`."""

    page: Annotated[int, Field(ge=1, le=10**9)] = 1
    per_page: Annotated[int, Field(ge=1, le=MAX_PAGE_LENGTH)] = 20
    text: str | None = None
    """Only those whose title holds it."""
    video_id: str | None = None
    content_hash: str | None = None

    def wanted(self) -> Page:
        """Return what the store calls it."""
        return Page(self.per_page, self.page, self.text, self.video_id, self.content_hash)


class LabelsBody(BaseModel):
    """The body of `PATCH /api/v1/tracks/{track_id}`; what is absent stays as it is."""

    model_config = ConfigDict(extra="forbid")

    video_id: str = ""
    title: str = ""
    url: str | None = None
    """Null takes it away."""
    thumbnail_url: str | None = None
    """Null takes it away."""

    def changed(self, labels: Labels) -> Labels:
        """Return labels with what is said here.

        Raises:
            InvalidInput: something of it breaks a rule.
        """
        said = {name: getattr(self, name) for name in self.model_fields_set}
        names = ("video_id", "title", "url", "thumbnail_url")
        return Labels(**{name: said.get(name, getattr(labels, name)) for name in names})


class IndexAnswer(BaseModel):
    """What is in memory, and on disk beside the database."""

    tracks: int
    postings: int
    memory_bytes: int
    snapshot_bytes: int
    generation: int


class FiguresAnswer(BaseModel):
    """How much there is."""

    total_tracks: int
    total_duration_hours: float
    fingerprint_bytes: int
    versions: dict[int, int]
    """How many tracks have a fingerprint of which version."""
    current_version: int
    """The only one that can be found; files of others have to be taken in again."""
    generation: int
    in_step: bool
    """Whether all tracks can be found now."""
    index: IndexAnswer | None
    """Null while it is being opened."""


class FlawAnswer(BaseModel):
    """Something that could not be taken in."""

    where: str
    reason: str


class ImportAnswer(BaseModel):
    """What came of an import."""

    added: int
    known: int
    renewed: int
    flaws: list[FlawAnswer]


def describe_track(track: Track) -> TrackAnswer:
    """Return a track as it is told."""
    return TrackAnswer.model_validate(_track(track))


def describe_kept(track: Track, outcome: Outcome, *, damage: str | None, near: Sequence[Likeness] | None) -> KeptAnswer:
    """Return what became of an upload."""
    told = None if near is None else [describe_likeness(likeness) for likeness in near]
    became = {"outcome": outcome.value, "damage": damage, "near_duplicates": told}
    return KeptAnswer.model_validate({**_track(track), **became})


def describe_likeness(likeness: Likeness) -> NearDuplicate:
    """Return another track that is nearly the same."""
    return NearDuplicate(
        id=likeness.other_id,
        seconds=round(likeness.seconds, 1),
        share=round(likeness.share, 3),
        offset=round(likeness.offset, 2),
    )


def describe_list(listing: Listing, query: TracksQuery) -> TrackList:
    """Return a page of tracks."""
    return TrackList(
        data=[describe_track(track) for track in listing.tracks],
        total=listing.total,
        page=query.page,
        per_page=query.per_page,
        total_pages=-(-listing.total // query.per_page),
    )


def describe_figures(figures: Figures) -> FiguresAnswer:
    """Return how much there is."""
    store, index = figures.store, figures.index
    return FiguresAnswer(
        total_tracks=store.tracks,
        total_duration_hours=round(store.seconds / 3600, 4),
        fingerprint_bytes=store.fingerprint_bytes,
        versions=store.versions,
        current_version=VERSION,
        generation=store.generation,
        in_step=figures.is_in_step,
        index=None
        if index is None
        else IndexAnswer(
            tracks=index.tracks,
            postings=index.postings,
            memory_bytes=index.memory_bytes,
            snapshot_bytes=index.snapshot_bytes,
            generation=index.generation,
        ),
    )


def describe_import(imported: Imported) -> ImportAnswer:
    """Return what came of an import."""
    return ImportAnswer(
        added=imported.outcomes[Outcome.ADDED],
        known=imported.outcomes[Outcome.KNOWN],
        renewed=imported.outcomes[Outcome.RENEWED],
        flaws=[FlawAnswer(where=flaw.where, reason=flaw.reason) for flaw in imported.flaws],
    )


def _track(track: Track) -> dict[str, object]:
    added = datetime.fromtimestamp(track.added_ms / 1000, UTC)
    return {
        "id": track.id,
        "video_id": track.video_id,
        "title": track.title,
        "url": track.url,
        "thumbnail_url": track.thumbnail_url,
        "duration": round(track.duration, 3),
        "content_hash": track.content_hash,
        "fingerprint_version": track.version,
        "added_at": f"{added:%Y-%m-%dT%H:%M:%S}.{added.microsecond // 1000:03}Z",
    }
