"""A hit: where in a track a query is from, and how sure that is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """A stretch of a track that is heard in a query."""

    track_id: int
    start: float
    """Seconds in the track at which the query begins."""
    end: float
    """At which it ends."""
    speed: float
    """At which the track is played: 1.02 is 2 % faster than in the catalogue."""
    score: float
    """-log10 of the probability that anything of a catalogue of this size would fit a query so well by chance."""
    confidence: float
    """1 less that probability."""
    similarity: float
    """1 less the root of that probability, which tells hits apart that are all but sure."""
