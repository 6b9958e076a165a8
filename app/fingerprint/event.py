"""What is told of a live stream: which music plays, and that it stopped."""

from dataclasses import dataclass
from typing import TypeAlias

from app.fingerprint.hit import Hit


@dataclass(frozen=True, slots=True)
class Matched:
    """Music of the catalogue plays: at the first of its hops that are certain, and then at most once a hop."""

    hits: tuple[Hit, ...]
    """Best first, one a track, never none."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What played does no longer, and nothing else does."""


Event: TypeAlias = Matched | Lost
