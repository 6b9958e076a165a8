"""Postings: where on the reel each landmark is heard, found by its key.

A key is spread by a multiplication over 32 bits (Knuth 6.4), and the first of them choose its bucket. Of a bucket all
postings are found, four bytes each, whichever keys they had: that is cheaper than to keep the keys, and what a wrong
one adds is noise that votes nowhere.

    starts  0 3 3 7 …          uint32, for each bucket and one more; counted from its block's base
    bases   0 …                uint64, for each block of 65,536 buckets: there may be more than 2**32 postings
    frames  f f f|f f f f|…    uint32, on the reel

Newer ones, which wait to be merged, are kept as `Pairs` with the whole hash: they can be sorted into any number of
buckets.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import Keys
from app.fingerprint.peaks import Frames

Pairs: TypeAlias = npt.NDArray[np.uint64]
"""`hash << 32 | frame`, sorted."""
Starts: TypeAlias = npt.NDArray[np.uint32]
Bases: TypeAlias = npt.NDArray[np.uint64]
Sizes: TypeAlias = npt.NDArray[np.int64]

Scalar = TypeVar("Scalar", bound=np.generic)

HASH_BITS = 32
SPREADING = 0x9E3779B1
"""2**32 over the golden ratio, odd: no two keys have one hash."""
BLOCK_BITS = 16
"""A bucket's start is counted from the base of its block of so many buckets."""
PAIRS_PER_BUCKET_BITS = 3
"""A bucket of pairs is searched to its end: eight on average."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Those of the snapshot."""

    starts: Starts
    bases: Bases
    frames: Frames

    def __len__(self) -> int:
        """Count them."""
        return len(self.frames)

    @property
    def bits(self) -> int:
        """The logarithm of the number of buckets."""
        return (len(self.starts) - 1).bit_length() - 1

    def find(self, keys: Keys) -> tuple[Sizes, Sizes]:
        """Return for each key where its postings begin among `frames`, and how many there are."""
        begins, sizes = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
        _find(keys, self.starts, self.bases, HASH_BITS - self.bits, len(self.frames), begins, sizes)
        return begins, sizes

    @classmethod
    def none(cls) -> "Postings":
        """Return none."""
        return cls(frozen(np.zeros(2, np.uint32)), frozen(np.zeros(1, np.uint64)), frozen(np.empty(0, np.uint32)))


@dataclass(frozen=True, slots=True)
class NewPostings:
    """Those in memory."""

    pairs: Pairs
    starts: Starts

    def __len__(self) -> int:
        """Count them."""
        return len(self.pairs)

    def find(self, keys: Keys) -> tuple[Sizes, Sizes]:
        """Return for each key where its postings begin among `pairs`, and how many there are."""
        begins, sizes = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
        bits = (len(self.starts) - 1).bit_length() - 1
        _find_pairs(keys, self.starts, HASH_BITS - bits, self.pairs, begins, sizes)
        return begins, sizes

    def with_pairs(self, more: Pairs) -> "NewPostings":
        """Return these and others."""
        return new_postings(merged(self.pairs, more) if len(self) else more)

    @classmethod
    def none(cls) -> "NewPostings":
        """Return none."""
        return new_postings(np.empty(0, np.uint64))


def new_postings(pairs: Pairs) -> NewPostings:
    """Make sorted pairs searchable."""
    bits = max(1, len(pairs).bit_length() - PAIRS_PER_BUCKET_BITS)
    edges = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    starts = np.append(np.searchsorted(pairs, edges), len(pairs)).astype(np.uint32)
    return NewPostings(frozen(pairs), frozen(starts))


def pair(keys: Keys, frames: Frames) -> Pairs:
    """Return the sorted pairs of landmarks."""
    hashes = (keys * np.uint32(SPREADING)).astype(np.uint64)
    pairs = hashes << np.uint64(32) | frames
    pairs.sort()
    return pairs


def merged(one: Pairs, other: Pairs) -> Pairs:
    """Merge sorted pairs."""
    return _merged(frozen(one), frozen(other))


def frozen(array: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Let nobody write into an array any more: as those of a file are, so that kernels are compiled once for both."""
    array.flags.writeable = False
    return array


@kernel
def _find(keys: Keys, starts: Starts, bases: Bases, shift: int, count: int, begins: Sizes, sizes: Sizes) -> None:
    for i in range(len(keys)):
        bucket = np.int64(np.uint32(keys[i] * np.uint32(SPREADING))) >> shift
        begin = np.int64(bases[bucket >> BLOCK_BITS]) + np.int64(starts[bucket])
        end = np.int64(bases[(bucket + 1) >> BLOCK_BITS]) + np.int64(starts[bucket + 1])
        # a damaged file must not be able to lead anybody beyond it
        fits = 0 <= begin <= end <= count
        begins[i] = begin if fits else 0
        sizes[i] = end - begin if fits else 0


@kernel
def _find_pairs(keys: Keys, starts: Starts, shift: int, pairs: Pairs, begins: Sizes, sizes: Sizes) -> None:
    for i in range(len(keys)):
        hashed = np.int64(np.uint32(keys[i] * np.uint32(SPREADING)))
        bucket = hashed >> shift
        begin, end = np.int64(starts[bucket]), np.int64(starts[bucket + 1])
        while begin < end and np.int64(pairs[begin] >> np.uint64(32)) < hashed:
            begin += 1
        after = begin
        while after < end and np.int64(pairs[after] >> np.uint64(32)) == hashed:
            after += 1
        begins[i], sizes[i] = begin, after - begin


@kernel
def _merged(one: Pairs, other: Pairs) -> Pairs:
    both = np.empty(len(one) + len(other), np.uint64)
    i = j = 0
    for k in range(len(both)):
        if j == len(other) or (i < len(one) and one[i] <= other[j]):
            both[k] = one[i]
            i += 1
        else:
            both[k] = other[j]
            j += 1
    return both
