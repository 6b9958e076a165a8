"""What the server tells of a stream, and how it is read."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

logger = logging.getLogger(__name__)

LOST: Final = "lost"


@dataclass(frozen=True, slots=True)
class Match:
    """A track that is heard."""

    video_id: str
    title: str | None
    url: str | None
    thumbnail_url: str | None
    start_time: float
    """Seconds in the track, of what was heard of it."""
    end_time: float
    """Seconds in the track."""
    similarity_score: float
    """Of what was heard to that stretch of the track, 0…1."""
    confidence: float
    """That it is this track, 0…1."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How far the stream is."""

    buffer_size: int
    """Samples that the server looks at now."""
    buffer_capacity: int
    """Samples that it looks at, at most."""
    samples_processed: int
    """Since the connection was opened."""
    total_matches: int
    """Since the connection was opened."""
    duration_seconds: float
    """Of sound, since the connection was opened."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Music that the server knows plays; told again while it goes on."""

    matches: tuple[Match, ...]
    """The likeliest first."""
    timestamp: float
    """When, in seconds since 1970."""
    stats: Stats


@dataclass(frozen=True, slots=True)
class Status:
    """The server tells how it is going."""

    message: str
    """For people."""
    event: str | None = None
    """What happened, for programs: `lost` when the music has stopped."""

    @property
    def has_stopped(self) -> bool:
        """Whether what was told to play does no longer."""
        return self.event == LOST


@dataclass(frozen=True, slots=True)
class Problem:
    """The server cannot do something; unless it closes the connection too, the stream goes on."""

    message: str
    """For people."""
    detail: str | None = None


Event: TypeAlias = Matched | Status | Problem


def read_event(message: str | bytes) -> Event | None:
    """Read a message of the server; None if there is nothing in it that is known here."""
    try:
        return _event(json.loads(message))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning("the server sent what cannot be read (%r): %.200r", error, message)
        return None


def _event(message: Mapping[str, Any]) -> Event | None:
    match message["type"]:
        case "match":
            return _matched(message["data"])
        case "status":
            return Status(str(message["message"]), message.get("event"))
        case "error":
            return Problem(str(message["message"]), message.get("detail"))
        case type:
            logger.debug("a message of the type %r is not known here", type)
            return None


def _matched(data: Mapping[str, Any]) -> Matched:
    stats = data["stats"]
    return Matched(
        matches=tuple(_match(match) for match in data["matches"]),
        timestamp=float(data["timestamp"]),
        stats=Stats(
            buffer_size=int(stats["buffer_size"]),
            buffer_capacity=int(stats["buffer_capacity"]),
            samples_processed=int(stats["samples_processed"]),
            total_matches=int(stats["total_matches"]),
            duration_seconds=float(stats["duration_seconds"]),
        ),
    )


def _match(data: Mapping[str, Any]) -> Match:
    return Match(
        video_id=str(data["video_id"]),
        title=data.get("title"),
        url=data.get("url"),
        thumbnail_url=data.get("thumbnail_url"),
        start_time=float(data["start_time"]),
        end_time=float(data["end_time"]),
        similarity_score=float(data["similarity_score"]),
        confidence=float(data["confidence"]),
    )
