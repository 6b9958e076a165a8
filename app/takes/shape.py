"""How far speech is moved from a voice's own way: what designs, styles and prosody come to, so that they add up."""

from dataclasses import dataclass

from app.tts.speech import (
    MAX_PITCH,
    MAX_PITCH_RANGE,
    MAX_SPEED,
    MAX_TILT,
    MAX_TIMBRE,
    MAX_VOLUME,
    MIN_SPEED,
    Manner,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A distance from a voice's own way, by default none."""

    pitch: float = 0.0
    """Semitones."""
    spread: float = 0.0
    """Octaves by which the intonation goes further: 1 is twice as far, -1 half as far."""
    pace: float = 0.0
    """Octaves of speed: 1 is twice as fast."""
    timbre: float = 0.0
    """Semitones by which the formants move."""
    tilt: float = 0.0
    """dB per octave."""
    volume: float = 0.0
    """dB."""

    def __add__(self, other: "Shape") -> "Shape":
        """Go both distances."""
        return Shape(
            self.pitch + other.pitch,
            self.spread + other.spread,
            self.pace + other.pace,
            self.timbre + other.timbre,
            self.tilt + other.tilt,
            self.volume + other.volume,
        )

    def __mul__(self, steps: float) -> "Shape":
        """Go the distance so many times."""
        return Shape(
            self.pitch * steps,
            self.spread * steps,
            self.pace * steps,
            self.timbre * steps,
            self.tilt * steps,
            self.volume * steps,
        )

    @property
    def speed(self) -> float:
        """How many times as fast, as far as the engine goes."""
        return _within(2.0**self.pace, MIN_SPEED, MAX_SPEED)

    @property
    def manner(self) -> Manner:
        """The rest, as far as the engine goes."""
        return Manner(
            pitch=_within(self.pitch, -MAX_PITCH, MAX_PITCH),
            pitch_range=_within(2.0**self.spread, 0.0, MAX_PITCH_RANGE),
            timbre=_within(self.timbre, -MAX_TIMBRE, MAX_TIMBRE),
            tilt=_within(self.tilt, -MAX_TILT, MAX_TILT),
            volume=_within(self.volume, -MAX_VOLUME, MAX_VOLUME),
        )


def _within(value: float, least: float, most: float) -> float:
    return round(min(max(value, least), most), 3)
