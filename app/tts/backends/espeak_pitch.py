"""How espeak-ng is made to speak higher or lower by semitones.

Its parameter of pitch, 0 to 100, doubles the base of a voice every 50 steps (`pitch_adjust_tab` of its `setlengths.c`),
but what the intonation adds to that base grows only with the range of pitch. So pitch alone moves what is heard by 0.73
of the semitones that it seems to (measured by autocorrelation), and flattens the melody. `SetPitch2` of the same file
computes, with the base B and the range r0 of the voice, the range r that is set, and a tone t of the intonation,

    f = B · 2**((pitch - 50) / 50) - 18 (r - r0) + t · r / 2

All of it grows by k if r does, and B · 2**(…) is k · B + 18 (k - 1) r0.
"""

import math
from functools import lru_cache

STEPS_OF_AN_OCTAVE = 50
RANGE_OF_BASE = 0.234
"""18 r0 / B of the voices that set neither (`pitch 82 118`), as nearly all of them: 18 · 36 · 108 / (73 · 4096)."""
WIDEST_RANGE = 99
"""More is taken as this; from here on the tones of a tonal language rise less than its base."""


@lru_cache(maxsize=1024)
def higher(semitones: float, *, pitch_range: int) -> tuple[int, int]:
    """Return pitch (0…100) and range of pitch (0…99) that sound so much higher than pitch 50 with `pitch_range`.

    Measured on vowels and sentences in English, Mandarin, French and Spanish: within 0.7 semitones from -4 to +8, with
    those of most voices from -8 to +10, which is about as far as it goes.
    """
    factor = 2 ** (semitones / 12)
    base = max(factor + RANGE_OF_BASE * (factor - 1), 0.5)
    pitch = round(50 + STEPS_OF_AN_OCTAVE * math.log2(base))
    return min(pitch, 100), min(round(pitch_range * factor), WIDEST_RANGE)
