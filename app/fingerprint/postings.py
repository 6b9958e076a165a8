"""Postings: where on the reel each landmark is heard, found by its key.

    frames  f f f|f f f f|…    uint32, on the reel, bucket after bucket

A bucket has the postings of all keys whose hashes begin alike, four bytes each, whichever key they had. In a large
index that is one key; in a small one what the others add is noise that votes nowhere.

Newer ones, which wait to be merged, are kept as `Pairs` with the whole hash: they can be sorted into any number of
buckets.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from app.fingerprint.bounds import Bounds, Sizes
from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import Keys
from app.fingerprint.peaks import Frames
from app.fingerprint.spread import HASH_BITS, Hashes, spread

Pairs: TypeAlias = npt.NDArray[np.uint64]
"""`hash << 32 | frame`, sorted."""
Starts: TypeAlias = npt.NDArray[np.uint32]

Scalar = TypeVar("Scalar", bound=np.generic)

LEAST_BITS = 20
"""Of the number of buckets, by which an index is a small one."""
PAIRS_PER_BUCKET_BITS = 3
"""A bucket of pairs is searched to its end: eight on average."""


@dataclass(frozen=True, slots=True)
class Postings:
    """Those of the snapshot."""

    bounds: Bounds
    frames: Frames

    def __len__(self) -> int:
        """Count them."""
        return len(self.frames)

    @classmethod
    def none(cls) -> "Postings":
        """Return none."""
        nothing = frozen(np.zeros(2, np.uint32))
        return cls(Bounds(nothing, nothing, nothing), nothing[:0])


@dataclass(frozen=True, slots=True)
class NewPostings:
    """Those in memory."""

    pairs: Pairs
    starts: Starts

    def __len__(self) -> int:
        """Count them."""
        return len(self.pairs)

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
    pairs = spread(keys).astype(np.uint64) << np.uint64(32) | frames
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
def find_pairs(hashes: Hashes, starts: Starts, pairs: Pairs, begins: Sizes, sizes: Sizes) -> None:
    """Write for each hash where its postings begin among `pairs`, and how many there are."""
    shift = HASH_BITS
    while len(starts) - 1 > 1 << (HASH_BITS - shift):
        shift -= 1
    for i in range(len(hashes)):
        hashed = np.int64(hashes[i])
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
