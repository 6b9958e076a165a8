"""A part of a take: one sentence or so, spoken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent at once; the parts of a take joined are the take."""

    index: int
    """From 0."""
    pcm: bytes
    """int16 little-endian mono; ends in silence."""
    sample_rate: int
    """Hz; the same for all parts of a take."""
    text: str
    """As it was spoken, after normalisation."""
