"""Ids of takes, voices and deliveries: a letter that says which, and a ULID (github.com/ulid/spec) in lower case.

A ULID is 48 bits of time, milliseconds since the epoch, and 80 random bits, written in Crockford's base 32. So ids
sort by the time they were made at.
"""

import random
import re
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's, without i, l, o and u."""

ULID_CHARACTERS: Final = 26
RANDOM_BITS: Final = 80

_ULID = re.compile(rf"[0-7][{ALPHABET}]{{{ULID_CHARACTERS - 1}}}")  # the first digit holds three bits only
_DIGIT_BITS = 5


class Kind(StrEnum):
    """What an id belongs to: its first letter."""

    TAKE = "t"
    VOICE = "v"
    DELIVERY = "w"


class Ids:
    """Makes ids, each greater than the one before it. Belongs to one event loop."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, rng: random.Random | random.SystemRandom | None = None
    ) -> None:
        """Begin with any id; `clock` is in seconds since the epoch, `rng` None takes the system's randomness."""
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._last = -1

    def new(self, kind: Kind) -> str:
        """Return a new id.

        In one millisecond, or while the clock stands or goes back, it is the last one plus one (the spec's
        monotonicity). Should the random bits run over, the time does with them, a millisecond ahead.
        """
        drawn = int(self._clock() * 1000) << RANDOM_BITS | self._rng.getrandbits(RANDOM_BITS)
        is_later = drawn >> RANDOM_BITS > self._last >> RANDOM_BITS
        self._last = drawn if is_later else self._last + 1
        return f"{kind}{_digits(self._last)}"


def is_id(text: str, kind: Kind) -> bool:
    """Tell whether a text could be an id of this kind; then it is safe in the name of a file, too."""
    return text[:1] == kind and _ULID.fullmatch(text, 1) is not None


def time_ms(id: str) -> int:
    """Return when an id was made: milliseconds since the epoch."""
    value = 0
    for digit in id[1:]:
        value = value << _DIGIT_BITS | ALPHABET.index(digit)
    return value >> RANDOM_BITS


def _digits(value: int) -> str:
    shifts = range(_DIGIT_BITS * (ULID_CHARACTERS - 1), -1, -_DIGIT_BITS)
    return "".join(ALPHABET[value >> shift & 31] for shift in shifts)
