"""The spread of keys: one number of 32 bits for each, evenly over all of them, so that any first bits choose a bucket.

Of the 2**27 keys that there may be, music has one in five: both frequencies are within the spectrum, and less than an
octave apart. These are counted through, and differ in the first 25 bits of their hashes; a bucket for each of those has
the postings of one key and no others. All keys differ in all 32 bits.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import GAP_BITS, LEAST_GAP, MOST_GAP, STEP_BITS, STEP_ORIGIN, Keys
from app.fingerprint.spectrum import END_BIN, FIRST_BIN

Hashes: TypeAlias = npt.NDArray[np.uint32]

HASH_BITS: Final = 32
EXACT_BITS: Final = 25
"""Of a hash, by which the keys of music differ."""
SPREADING: Final = 0x9E3779B1
"""2**32 over the golden ratio (Knuth 6.4), odd: no two numbers become one."""
DOWN, UP = 109, 190
"""128ths: 0.8 octaves below and above a frequency in bins, in half bins."""
MARGIN: Final = 3
"""Half bins beyond these, as rounding and the next cells take."""
GAPS: Final = MOST_GAP - LEAST_GAP + 1


def _first_rows() -> npt.NDArray[np.int64]:
    """Count the steps that there may be, up to each column of frequency."""
    columns = np.arange(END_BIN + 1)
    steps = (columns * DOWN >> 7) + (columns * UP >> 7) + 2 * MARGIN + 1
    steps[:FIRST_BIN] = 0
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])


FIRST_ROWS: Final = _first_rows()
"""Number of the first step of each column of frequency."""
assert FIRST_ROWS[-1] * GAPS <= 1 << EXACT_BITS


def spread(keys: Keys) -> Hashes:
    """Return the hashes of keys."""
    return spread_keys(keys, FIRST_ROWS)


@kernel
def spread_keys(keys: Keys, first_rows: npt.NDArray[np.int64]) -> Hashes:
    """Return the hashes of keys; `first_rows` are `FIRST_ROWS`."""
    hashes = np.empty(len(keys), np.uint32)
    for i in range(len(keys)):
        key = int(np.int64(keys[i]))
        column, gap = key >> (STEP_BITS + GAP_BITS), key & ((1 << GAP_BITS) - 1)
        step = ((key >> GAP_BITS) & ((1 << STEP_BITS) - 1)) - STEP_ORIGIN
        row = step + (column * DOWN >> 7) + MARGIN
        number, rest = key, (key >> EXACT_BITS) + 64
        if column + 1 < len(first_rows) and LEAST_GAP <= gap <= MOST_GAP and row >= 0:
            row += first_rows[column]
            if row < first_rows[column + 1]:
                number, rest = row * GAPS + gap - LEAST_GAP, 0
        spread = (number * SPREADING) & ((1 << EXACT_BITS) - 1)
        hashes[i] = spread << (HASH_BITS - EXACT_BITS) | rest
    return hashes
