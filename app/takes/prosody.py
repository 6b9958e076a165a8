"""How a take is to be spoken, in the three kinds of the protocol: whole numbers from -10 to 10; 0 changes nothing."""

from dataclasses import dataclass
from enum import StrEnum

MIN_PROSODY, MAX_PROSODY = -10, 10


class ProsodyKind(StrEnum):
    """What a model may be asked to change."""

    SIMPLE = "simple"
    AFFECT = "affect"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class SimpleProsody:
    """What every model understands."""

    pitch: int
    pace: int
    expression: int
    """-10 monotone, 10 very lively."""


@dataclass(frozen=True, slots=True)
class AffectProsody:
    """By the feeling: Russell's circumplex (1980) with dominance as its third axis."""

    pitch: int
    pace: int
    valence: int
    """-10 negative, 10 positive."""
    dominance: int
    """-10 docile, 10 commanding."""
    arousal: int
    """-10 calm, 10 excited."""


@dataclass(frozen=True, slots=True)
class SignalProsody:
    """By the sound."""

    pitch: int
    pace: int
    tilt: int
    """-10 dull, 10 bright."""
    pitch_range: int
    """-10 flat, 10 highly varied."""


Prosody = SimpleProsody | AffectProsody | SignalProsody
