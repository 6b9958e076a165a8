"""Bounds: where each of many buckets begins in one long row, in a few bits each, however long the row is.

They never fall, and are written as Elias (1974) and Fano (1971) did, see Vigna 2013, "Quasi-succinct indices":

    lows    the last bits of each bound, as many as a bucket is large on average (of the logarithm), side by side
    uppers  the other bits in unary: of the i-th bound, bit `(bound >> low_bits) + i` is set
    marks   the bit of `uppers` that is set for each 32nd bound

That is 3 bits and the logarithm for each: 29 MB for 2**25 buckets of ten each, where four bytes each were 134.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.spread import Hashes

Words: TypeAlias = npt.NDArray[np.uint32]
Sizes: TypeAlias = npt.NDArray[np.int64]

WORD_BITS, LOG_WORD_BITS = 32, 5
MARK_BITS = 5
"""A mark for so many bounds (the logarithm)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Those of `2**bits` buckets, 32 at least, and the end of the last one. Never changes."""

    marks: Words
    uppers: Words
    lows: Words

    @property
    def bits(self) -> int:
        """The logarithm of the number of buckets."""
        return (len(self.marks) - 1).bit_length() - 1 + MARK_BITS

    @property
    def low_bits(self) -> int:
        """How many bits of a bound are written as they are."""
        return (len(self.lows) - 2) >> (self.bits - LOG_WORD_BITS)

    def between(self, first: int, count: int, end: int) -> Sizes:
        """Return the bounds of buckets that follow each other, and the end of the last: shape `(count + 1,)`."""
        bounds = np.empty(count + 1, np.int64)
        _read(self.marks, self.uppers, self.lows, self.low_bits, first, end, bounds)
        return bounds


def bounds_of(sizes: Iterable[Sizes], *, bits: int, most: int) -> Bounds:
    """Make the bounds of buckets of these sizes, in parts of any number; together they are `most` at most."""
    count = 1 << bits
    low_bits = max(0, (most >> bits).bit_length() - 1)
    marks = np.zeros((count >> MARK_BITS) + 1, np.uint32)
    uppers = np.zeros(((most >> low_bits) + count + 1) // WORD_BITS + 1, np.uint32)
    lows = np.zeros((count >> LOG_WORD_BITS) * low_bits + 2, np.uint32)
    first = total = 0
    for part in sizes:
        total = _write(part, first, total, low_bits, marks, uppers, lows)
        first += len(part)
    _write(np.zeros(1, np.int64), first, total, low_bits, marks, uppers, lows)
    return Bounds(marks, uppers, lows)


@kernel
def _write(sizes: Sizes, first: int, total: int, low_bits: int, marks: Words, uppers: Words, lows: Words) -> int:
    for i in range(len(sizes)):
        number = first + i
        bit = (total >> low_bits) + number
        uppers[bit >> LOG_WORD_BITS] |= np.uint32(1 << (bit & (WORD_BITS - 1)))
        if number & ((1 << MARK_BITS) - 1) == 0:
            marks[number >> MARK_BITS] = bit
        place = number * low_bits
        low = (total & ((1 << low_bits) - 1)) << (place & (WORD_BITS - 1))
        lows[place >> LOG_WORD_BITS] |= np.uint32(low & 0xFFFFFFFF)
        lows[(place >> LOG_WORD_BITS) + 1] |= np.uint32(low >> WORD_BITS)
        total += sizes[i]
    return total


@kernel
def _low(lows: Words, low_bits: int, number: int) -> int:
    place = number * low_bits
    word = place >> LOG_WORD_BITS
    both = np.int64(lows[word]) | np.int64(lows[word + 1]) << WORD_BITS
    return int((both >> (place & (WORD_BITS - 1))) & ((1 << low_bits) - 1))


@kernel
def _ones(word: int) -> int:
    """Count the bits of a word that are set (H. Warren, "Hacker's Delight", 5-1)."""
    word = word - ((word >> 1) & 0x55555555)
    word = (word & 0x33333333) + ((word >> 2) & 0x33333333)
    word = (word + (word >> 4)) & 0x0F0F0F0F
    return ((word * 0x01010101) & 0xFFFFFFFF) >> 24


@kernel
def _from(uppers: Words, bit: int) -> int:
    """Return the word of a bit, without those before it."""
    return int(np.int64(uppers[bit >> LOG_WORD_BITS])) >> (bit & (WORD_BITS - 1)) << (bit & (WORD_BITS - 1))


@kernel
def _set(uppers: Words, bit: int, skipped: int) -> int:
    """Return the first bit that is set from one on, after so many others; -1 if there are not so many."""
    at, word = bit >> LOG_WORD_BITS, _from(uppers, bit)
    while skipped >= _ones(word):
        skipped -= _ones(word)
        at += 1
        if at >= len(uppers):
            return -1
        word = int(np.int64(uppers[at]))
    for _ in range(skipped):
        word &= word - 1
    return at * WORD_BITS + _ones((word & -word) - 1)


@kernel
def find(
    hashes: Hashes,
    shift: int,
    marks: Words,
    uppers: Words,
    lows: Words,
    low_bits: int,
    end: int,
    begins: Sizes,
    sizes: Sizes,
) -> np.int64:
    """Write where the buckets of hashes begin, and how large they are; each hash begins with its bucket's number.

    Args:
        hashes: of 32 bits.
        shift: by which a hash is more than its bucket's number.
        marks: of the bounds.
        uppers: of the bounds.
        lows: of the bounds.
        low_bits: of the bounds.
        end: of the row, beyond which nobody is led, whatever a damaged file says.
        begins: one for each hash.
        sizes: one for each hash.

    What it returns says nothing, but that what was loaded early is used.
    """
    # Memory is what this waits for, in three steps that each need the one before. So each is taken for all hashes
    # before the next: a processor has a dozen such loads under way at once. 926 hashes take 0.05 ms instead of 0.22.
    for i in range(len(hashes)):
        begins[i] = np.int64(marks[int(np.int64(hashes[i])) >> shift >> MARK_BITS])
    touched = np.int64(0)
    for i in range(len(hashes)):
        place = (int(np.int64(hashes[i])) >> shift) * low_bits
        word = min(begins[i] >> LOG_WORD_BITS, len(uppers) - 1)
        touched ^= np.int64(uppers[word]) ^ np.int64(lows[place >> LOG_WORD_BITS])
    for i in range(len(hashes)):
        mark, begins[i], sizes[i] = begins[i], 0, 0
        number = int(np.int64(hashes[i])) >> shift
        if mark >= len(uppers) * WORD_BITS:
            continue
        bit = _set(uppers, mark, number & ((1 << MARK_BITS) - 1))
        next_bit = _set(uppers, bit + 1, 0) if 0 <= bit < len(uppers) * WORD_BITS - 1 else -1
        begin = (bit - number) << low_bits | _low(lows, low_bits, number)
        after = (next_bit - number - 1) << low_bits | _low(lows, low_bits, number + 1)
        if next_bit > 0 and 0 <= begin <= after <= end:
            begins[i], sizes[i] = begin, after - begin
    return touched


@kernel
def _read(marks: Words, uppers: Words, lows: Words, low_bits: int, first: int, end: int, bounds: Sizes) -> None:
    before = 0
    bit = min(int(np.int64(marks[first >> MARK_BITS])), len(uppers) * WORD_BITS - 1)
    bit = _set(uppers, bit, first & ((1 << MARK_BITS) - 1))
    for i in range(len(bounds)):
        bound = (bit - first - i) << low_bits | _low(lows, low_bits, first + i)
        before = max(before, min(bound, end)) if bit >= 0 else before
        bounds[i] = before
        bit = _set(uppers, bit + 1, 0) if 0 <= bit < len(uppers) * WORD_BITS - 1 else -1
