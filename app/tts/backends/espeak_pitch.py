"""How espeak-ng is made to speak higher or lower by semitones. Pure.

Its parameter of pitch, 0 to 100, doubles the base of a voice every 50 steps (`pitch_adjust_tab` of its `setlengths.c`),
but what the intonation adds to that base grows only with the range of pitch. So pitch alone moves what is heard by 0.73
of the semitones that it seems to (measured by autocorrelation), and flattens the melody. `SetPitch2` of the same file
computes, with the base B and the range r0 of the voice, the range r that is set, and a tone t of the intonation,

    f = B · 2**((pitch - 50) / 50) - 18 (r - r0) + t · r / 2

All of it grows by k if r does, and B · 2**(…) is k · B + 18 (k - 1) r0.

Its range of pitch alone is of no use for another range: it turns the melody around a tone that is not its middle, above
it in Dutch, below it in Korean, which would move it by up to 2 semitones.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

PITCH_RANGE = 50
"""Of 99: espeak-ng's own."""
TONAL_PITCH_RANGE = 75
"""At chat speed this widens the rise of a Mandarin second tone from 3.3 to 4.7 semitones."""
TONAL_LANGUAGES = ("sit/", "tai/", "aav/vi")
"""Beginnings of the identifiers of voices whose words differ by tone alone."""
STEPS_OF_AN_OCTAVE = 50
LOWEST_BASE, HIGHEST_BASE = 0.5, 2.0
"""Factors of the base at pitch 0 and 100."""
WIDEST_RANGE = 99
"""More is taken as this."""
NARROWED = 0.93
"""Fraction of the wished range that is still as good: the melody of Mandarin rises by so much at six semitones more."""

_PITCHES: Mapping[str, tuple[int, int]] = {
    "aav/vi": (95, 175),
    "bat/ltg": (64, 118),
    "bat/lv": (67, 123),
    "gmw/af": (63, 120),
    "iro/chr": (90, 160),
    "poz/mi": (115, 130),
    "f1": (140, 200),
    "f2": (142, 220),
    "f3": (140, 240),
    "f4": (142, 200),
    "f5": (160, 228),
    "m1": (75, 109),
    "m2": (88, 115),
    "m3": (80, 122),
    "m4": (70, 110),
    "m7": (75, 125),
    "m8": (65, 102),
}
"""What the files of voices and variants have after `pitch`, where it is not about (82, 118)."""
_USUAL_PITCHES = (82, 118)


@dataclass(frozen=True, slots=True)
class Melody:
    """What the pitch of a voice is made of."""

    pitch_range: int
    """0…99."""
    range_of_base: float
    """18 r0 / B."""

    @classmethod
    @lru_cache(maxsize=1024)
    def of(cls, voice: str, variant: str) -> "Melody":
        """Return that of a voice with a variant, by espeak's identifiers; the variant's pitch counts, if it has one."""
        low, high = _PITCHES.get(variant) or _PITCHES.get(voice, _USUAL_PITCHES)
        pitch_range = TONAL_PITCH_RANGE if voice.startswith(TONAL_LANGUAGES) else PITCH_RANGE
        return cls(pitch_range, 18 * (high - low) * 108 / ((low - 9) * 4096))  # as `voices.c` reads that line

    def reach(self, semitones: float) -> float:
        """Return the nearest semitones at which it is still the same melody: from about -9 to 10, or 6 with tones."""
        more = self.range_of_base
        lowest, highest = ((base + more) / (1 + more) for base in (LOWEST_BASE, HIGHEST_BASE))
        widest = WIDEST_RANGE / (self.pitch_range * NARROWED)
        return min(max(semitones, 12 * math.log2(lowest)), 12 * math.log2(min(highest, widest)))

    def higher(self, semitones: float) -> tuple[int, int]:
        """Return pitch (0…100) and range of pitch (0…99) that sound so much higher than pitch 50 with the same range.

        Measured on sentences in eight languages with the ten listed voices of each, as far as they reach: 99 % within
        0.35 semitones, all within 0.6.
        """
        factor = 2 ** (semitones / 12)
        base = max(factor + self.range_of_base * (factor - 1), LOWEST_BASE)
        pitch = round(50 + STEPS_OF_AN_OCTAVE * math.log2(base))
        return min(pitch, 100), min(round(self.pitch_range * factor), WIDEST_RANGE)
