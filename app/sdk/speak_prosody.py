"""How a take is to be spoken, in the three kinds of the speak API: whole numbers from -10 to 10; 0 changes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class SimpleProsody:
    """What every model understands."""

    pitch: int = 0
    pace: int = 0
    expression: int = 0
    """-10 monotone, 10 very lively."""


@dataclass(frozen=True, slots=True)
class AffectProsody:
    """By the feeling."""

    pitch: int = 0
    pace: int = 0
    valence: int = 0
    """-10 negative, 10 positive."""
    dominance: int = 0
    """-10 docile, 10 commanding."""
    arousal: int = 0
    """-10 calm, 10 excited."""


@dataclass(frozen=True, slots=True)
class SignalProsody:
    """By the sound."""

    pitch: int = 0
    pace: int = 0
    tilt: int = 0
    """-10 dull, 10 bright."""
    pitch_range: int = 0
    """-10 flat, 10 highly varied."""


Prosody = SimpleProsody | AffectProsody | SignalProsody

_BY_OWN_FIELD: Mapping[str, type[Prosody]] = {
    "expression": SimpleProsody,
    "valence": AffectProsody,
    "tilt": SignalProsody,
}


def write_prosody(prosody: Prosody | None) -> dict[str, int] | None:
    """Return the JSON of a prosody."""
    return None if prosody is None else asdict(prosody)


def read_prosody(data: Mapping[str, Any] | None) -> Prosody | None:
    """Read the JSON of a prosody.

    Raises:
        ValueError: it is of no known kind.
    """
    if data is None:
        return None
    for own_field, kind in _BY_OWN_FIELD.items():
        if own_field in data:
            names = [field.name for field in fields(kind)]
            return kind(**{name: int(data[name]) for name in names})
    raise ValueError(f"prosody {dict(data)!r} is of no known kind")
