"""A track: what the catalogue keeps of a recording, besides its fingerprint."""

from dataclasses import dataclass, replace
from typing import Final

from app.fingerprint.labels import Labels

NAME_DIGITS: Final = 16
"""Hexadecimal digits of the content's hash that name a track to which nobody gave a `video_id`."""


@dataclass(frozen=True, slots=True)
class Track:
    """A recording that can be found."""

    id: int
    """Given by the catalogue; never given again."""
    video_id: str
    """What its user calls it, or the first digits of its content's hash."""
    title: str
    url: str | None
    thumbnail_url: str | None
    duration: float
    """Seconds."""
    content_hash: str
    """SHA-256 of the file, 64 hexadecimal digits."""
    version: int
    """Of the algorithm that made its fingerprint."""
    added_ms: int
    """Milliseconds since the epoch."""

    @property
    def labels(self) -> Labels:
        """What is shown of it."""
        return Labels(self.video_id, self.title, self.url, self.thumbnail_url)

    def renewed(self, by: "NewTrack") -> "Track":
        """Return the track with another fingerprint of the same content."""
        return replace(self, duration=by.duration, version=by.version)


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A recording that is to be kept."""

    labels: Labels
    """Without a video id it is named by its hash, without a title by its video id."""
    duration: float
    content_hash: str
    version: int
    added_ms: int
    fingerprint: bytes
    """Packed, as `Fingerprint.to_bytes` does."""

    @property
    def video_id(self) -> str:
        """What it will be called."""
        return self.labels.video_id or self.content_hash[:NAME_DIGITS]

    @property
    def title(self) -> str:
        """What it will be shown as."""
        return self.labels.title or self.video_id

    def kept_as(self, id: int) -> Track:
        """Return the track that it becomes."""
        return Track(
            id=id,
            video_id=self.video_id,
            title=self.title,
            url=self.labels.url,
            thumbnail_url=self.labels.thumbnail_url,
            duration=self.duration,
            content_hash=self.content_hash,
            version=self.version,
            added_ms=self.added_ms,
        )
