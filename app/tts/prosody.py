"""How something is spoken: speed, pitch, its range and volume, as the attributes of SSML's `prosody` change them.

W3C Speech Synthesis Markup Language 1.1, 3.2.4. A label is absolute (`slow` is slow within `x-fast` too), a number is
relative to what surrounds it. Percentages are read as they are most used: `80%` of the rate, but `+20%` or `-20%` more
or less. Hertz are refused, since a backend's voices do not say theirs. `contour` and `duration` are ignored.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.errors import InvalidInput
from app.tts.speech import MAX_PITCH, MAX_PITCH_RANGE, MAX_SPEED, MAX_VOLUME, MIN_SPEED

MIN_VOLUME = -60.0
"""dB; what is quieter still, is silent."""

_RATES = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.3, "x-fast": 1.7}
_PITCHES = {"x-low": -6.0, "low": -3.0, "medium": 0.0, "default": 0.0, "high": 3.0, "x-high": 6.0}
_PITCH_RANGES = {"x-low": 0.3, "low": 0.6, "medium": 1.0, "default": 1.0, "high": 1.4, "x-high": 1.8}
_VOLUMES = {
    "silent": -math.inf,
    "x-soft": -12.0,
    "soft": -6.0,
    "medium": 0.0,
    "default": 0.0,
    "loud": 3.0,
    "x-loud": 6.0,
}

_NUMBER = re.compile(r"([+-]?)([0-9]{1,6}(?:\.[0-9]{0,6})?|\.[0-9]{1,6})(%|st|dB|)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prosody:
    """Speed and range of pitch as factors, pitch in semitones, volume in dB; by default as the voice is."""

    speed: float = 1.0
    pitch: float = 0.0
    volume: float = 0.0
    pitch_range: float = 1.0

    def changed(self, attributes: Mapping[str, str]) -> "Prosody":
        """Return what a `prosody` element within this one makes of it.

        Raises:
            InvalidInput: a value that SSML or this subset does not know.
        """
        prosody = self
        if value := attributes.get("rate", "").strip():
            prosody = replace(prosody, speed=_rate(value, self.speed))
        if value := attributes.get("pitch", "").strip():
            prosody = replace(prosody, pitch=_pitch(value, self.pitch))
        if value := attributes.get("range", "").strip():
            prosody = replace(prosody, pitch_range=_pitch_range(value, self.pitch_range))
        if value := attributes.get("volume", "").strip():
            prosody = replace(prosody, volume=_volume(value, self.volume))
        return prosody

    def emphasised(self, level: str) -> "Prosody":
        """Return this with the emphasis of a level: a little slower, higher and louder, as people do.

        Raises:
            InvalidInput: there is no such level.
        """
        match level:
            case "strong":
                return self._moved(speed=0.85, pitch=1.0, volume=3.0)
            case "" | "moderate":
                return self._moved(speed=0.92, pitch=0.5, volume=1.5)
            case "reduced":
                return self._moved(speed=1.08, pitch=-0.5, volume=-3.0)
            case "none":
                return self
        raise _invalid("level", level, "strong, moderate, reduced or none", element="emphasis")

    def _moved(self, *, speed: float, pitch: float, volume: float) -> "Prosody":
        return replace(
            self,
            speed=_within(self.speed * speed, MIN_SPEED, MAX_SPEED),
            pitch=_within(self.pitch + pitch, -MAX_PITCH, MAX_PITCH),
            volume=_audible(self.volume + volume),
        )


def _rate(value: str, surrounding: float) -> float:
    if value in _RATES:
        return _RATES[value]
    match = _NUMBER.fullmatch(value)
    if match is None or match[3].lower() not in ("%", ""):
        raise _invalid("rate", value, "x-slow, slow, medium, fast, x-fast, or a percentage as 80%, +20% or -20%")
    return _within(surrounding * _factor(match), MIN_SPEED, MAX_SPEED)


def _pitch_range(value: str, surrounding: float) -> float:
    if value in _PITCH_RANGES:
        return _PITCH_RANGES[value]
    match = _NUMBER.fullmatch(value)
    if match is None or match[3] != "%":
        raise _invalid("range", value, "x-low, low, medium, high, x-high, or a percentage as 80%, +20% or -20%")
    return _within(surrounding * _factor(match), 0.0, MAX_PITCH_RANGE)


def _factor(match: re.Match[str]) -> float:
    sign, number, unit = match.groups()
    amount = float(number) / (100 if unit else 1)
    return 1 + float(f"{sign}1") * amount if sign else amount


def _pitch(value: str, surrounding: float) -> float:
    if value in _PITCHES:
        return _PITCHES[value]
    match = _NUMBER.fullmatch(value)
    if match is None or not match[1] or match[3].lower() not in ("%", "st"):
        raise _invalid("pitch", value, "x-low, low, medium, high, x-high, or a change as +2st, -2st, +10% or -10%")
    sign, number, unit = match.groups()
    change = float(sign + number)
    semitones = change if unit != "%" else 12 * math.log2(max(1 + change / 100, 0.25))
    return _within(surrounding + semitones, -MAX_PITCH, MAX_PITCH)


def _volume(value: str, surrounding: float) -> float:
    if value in _VOLUMES:
        return _VOLUMES[value]
    match = _NUMBER.fullmatch(value)
    if match is None or match[3].lower() == "st":
        raise _invalid("volume", value, "silent, x-soft, soft, medium, loud, x-loud, or a change as +6dB, -6dB or -20%")
    sign, number, unit = match.groups()
    if unit.lower() == "db":
        return _audible(surrounding + float(sign + number))
    # SSML 1.0 had volumes of 0 to 100, and Microsoft's dialect has them still
    factor = 1 + float(sign + number) / 100 if sign else float(number) / 100
    return _audible(surrounding + 20 * math.log10(factor)) if factor > 0 else -math.inf


def _audible(volume: float) -> float:
    return min(volume, MAX_VOLUME) if volume >= MIN_VOLUME else -math.inf


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def _invalid(name: str, value: str, rule: str, *, element: str = "prosody") -> InvalidInput:
    return InvalidInput(f"SSML: {name} '{value[:40]}' of <{element}> must be {rule}", field="text")
