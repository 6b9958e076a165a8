"""How a take is to be spoken, in the three kinds of the protocol: whole numbers from -10 to 10; 0 changes nothing.

Pitch goes half an octave either way, pace from 0.62 to 1.62 times the voice's own, expression and pitch range from
nearly monotone to twice the voice's own. Affect follows Schröder, Dimensional Emotion Representation as a Basis for
Speech Synthesis with Non-extreme Emotions (2004), in what moves which way: arousal raises pitch, range, pace, loudness
and brightness; valence raises pitch and pace a little and lightens the tone; dominance lowers pitch and speaks up. The
sizes are ours, chosen by ear and by what espeak-ng still speaks clearly.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from app.errors import InvalidInput
from app.takes.shape import Shape

MIN_PROSODY, MAX_PROSODY = -10, 10

PITCH, PACE = 0.6, 0.07
"""Semitones, and octaves of speed, for one step."""
WIDER, NARROWER = 0.1, 0.3
"""Octaves of pitch range for one step: up to twice as far, down to an eighth."""
TILT = 0.4
"""dB per octave for one step."""

_AROUSED = Shape(pitch=0.2, spread=0.06, pace=0.025, tilt=0.15, volume=0.2)
_PLEASED = Shape(pitch=0.1, spread=0.03, pace=0.01, timbre=0.08, tilt=0.1)
_COMMANDING = Shape(pitch=-0.15, spread=0.02, pace=-0.005, timbre=-0.08, tilt=0.1, volume=0.2)


class ProsodyKind(StrEnum):
    """What a model may be asked to change."""

    SIMPLE = "simple"
    AFFECT = "affect"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class SimpleProsody:
    """What every model understands.

    Raises:
        InvalidInput: a value is out of its range; so with the other two.
    """

    pitch: int
    pace: int
    expression: int
    """-10 monotone, 10 very lively."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def kind(self) -> ProsodyKind:
        """Which of the three it is."""
        return ProsodyKind.SIMPLE

    @property
    def shape(self) -> Shape:
        """What it does to speech."""
        return _pitched(self.pitch, self.pace) + Shape(spread=_spread(self.expression))


@dataclass(frozen=True, slots=True)
class AffectProsody:
    """By the feeling: valence and arousal, the circumplex of Russell (1980), with dominance as its third axis."""

    pitch: int
    pace: int
    valence: int
    """-10 negative, 10 positive."""
    dominance: int
    """-10 docile, 10 commanding."""
    arousal: int
    """-10 calm, 10 excited."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def kind(self) -> ProsodyKind:
        """Which of the three it is."""
        return ProsodyKind.AFFECT

    @property
    def shape(self) -> Shape:
        """What it does to speech."""
        felt = _AROUSED * self.arousal + _PLEASED * self.valence + _COMMANDING * self.dominance
        return _pitched(self.pitch, self.pace) + felt


@dataclass(frozen=True, slots=True)
class SignalProsody:
    """By the sound."""

    pitch: int
    pace: int
    tilt: int
    """-10 dull, 10 bright."""
    pitch_range: int
    """-10 flat, 10 highly varied."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def kind(self) -> ProsodyKind:
        """Which of the three it is."""
        return ProsodyKind.SIGNAL

    @property
    def shape(self) -> Shape:
        """What it does to speech."""
        return _pitched(self.pitch, self.pace) + Shape(spread=_spread(self.pitch_range), tilt=TILT * self.tilt)


Prosody = SimpleProsody | AffectProsody | SignalProsody


def _check(prosody: Prosody) -> None:
    for field in fields(prosody):
        value = getattr(prosody, field.name)
        if not MIN_PROSODY <= value <= MAX_PROSODY:
            rule = f"must be {MIN_PROSODY} to {MAX_PROSODY}"
            raise InvalidInput(f"prosody.{field.name} {value} {rule}", field=f"prosody.{field.name}")


def _pitched(pitch: int, pace: int) -> Shape:
    return Shape(pitch=PITCH * pitch, pace=PACE * pace)


def _spread(steps: int) -> float:
    return steps * (WIDER if steps > 0 else NARROWER)
