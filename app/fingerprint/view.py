"""What a search looks at: all tracks as they are at one moment, whatever is added meanwhile.

What keeps a search cheap at any size: the fewer postings a key has, the more it says and the less it costs. So the
postings of the rarest keys are read, up to a bound. In music, the rarest three quarters of a query's keys have 4 % of
all their postings, the rarest nine tenths 18 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.bounds import Sizes, Words, find
from app.fingerprint.constellation import Constellation
from app.fingerprint.contents import Contents
from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import Keys
from app.fingerprint.peaks import Frames, Peaks
from app.fingerprint.postings import NewPostings, Pairs, Postings, Starts, find_pairs
from app.fingerprint.reel import PAGE, Place, Reel
from app.fingerprint.sieve import sifted
from app.fingerprint.spread import FIRST_ROWS, HASH_BITS, spread_keys
from app.fingerprint.votes import LEAST_WEIGHT, PARTS_PER_BIT, Ballots

Weights: TypeAlias = npt.NDArray[np.uint8]

MOST_BALLOTS = 500_000
"""Of a query of some seconds. Among 10,000 tracks there are some 600,000, and the right place is one of the 30
best for 88 % of hard queries of 3 s; with 250,000 votes for 83 %, with 100,000 for 70 %."""
MOST_WEIGHT = 255
SIZE_CLASSES = 8
"""Of sizes that differ by less than a factor of two: keys of one class are read, or left out, together."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Where keys are on the reel, less the frame where a query has them: both of shape `(n,)`, in no order."""

    places: Frames
    """Modulo 2**32, which is as long as the reel can be."""
    weights: Weights
    """How little chance there was, as `votes` has it."""


@dataclass(frozen=True, slots=True)
class View:
    """Tracks that can be searched; immutable, for any number of threads."""

    epoch: int
    """Places of views of different epochs cannot be compared."""
    reel: Reel
    postings: Postings
    constellation: Constellation
    """Of the tracks of the snapshot, which are the first of the reel."""
    recent: NewPostings
    """Of the others."""
    young: NewPostings
    """Of the youngest of the others."""
    recent_peaks: Mapping[int, Peaks]
    """Of the others, by their first frame on the reel; those of `Peaks` count from 0."""

    @property
    def seconds(self) -> float:
        """Of all tracks together."""
        return self.reel.seconds

    @classmethod
    def of(cls, contents: Contents, *, epoch: int) -> "View":
        """Look at what is in a snapshot."""
        none = NewPostings.none()
        return cls(epoch, contents.reel, contents.postings, contents.constellation, none, none, {})

    def without(self, track_id: int) -> "View":
        """Return a view that does not have a track; this one if there is none of the id."""
        number = self.reel.number_of(track_id)
        return self if number is None else replace(self, reel=self.reel.without(number))

    def track_at(self, frame: int) -> Place | None:
        """Return the track at a frame of the reel, or that which begins less than a gap later; None for none."""
        return self.reel.at(frame)

    def peaks(self, first_frame: int, end_frame: int) -> Peaks:
        """Return the peaks of a stretch of one track, which may begin less than a gap before it does.

        Their frames are the reel's.
        """
        return self._peaks(self.reel.start_of(first_frame), first_frame, end_frame)

    def peaks_of(self, track: Place, first_frame: int, end_frame: int) -> Peaks:
        """Return what is within a track of a stretch of the reel."""
        first = max(track.first_frame, first_frame)
        return self._peaks(track.first_frame, first, max(first, min(end_frame, track.end_frame)))

    def _peaks(self, start: int, first_frame: int, end_frame: int) -> Peaks:
        if start < len(self.constellation.counts):
            return self.constellation.between(first_frame, end_frame)
        peaks = self.recent_peaks[start]
        first, end = np.searchsorted(peaks.frames, [max(0, first_frame - start), max(0, end_frame - start)])
        frames = peaks.frames[first:end] + np.uint32(start)
        return Peaks(frames, peaks.frequencies[first:end], peaks.strengths[first:end])

    def gather(self, keys: Keys, frames: Frames, *, most: int = MOST_BALLOTS) -> Ballots:
        """Return the sorted ballots of landmarks; where there are many, those that may be of the best places.

        They are chosen among at most `most`, of the rarest keys.
        """
        votes = self.votes(keys, frames, most=most)
        return sifted(votes.places, votes.weights, self.reel.end)

    def votes(self, keys: Keys, frames: Frames, *, most: int) -> Votes:
        """Return the votes of landmarks, at most `most`, of the rarest keys."""
        bounds = self.postings.bounds
        return Votes(
            *_votes(
                keys,
                frames,
                FIRST_ROWS,
                bounds.marks,
                bounds.uppers,
                bounds.lows,
                bounds.bits,
                bounds.low_bits,
                self.postings.frames,
                self.recent.starts,
                self.recent.pairs,
                self.young.starts,
                self.young.pairs,
                float(max(1, self.reel.frames)),
                self.reel.gone,
                most,
            )
        )


@kernel
def _votes(
    keys: Keys,
    frames: Frames,
    first_rows: Sizes,
    marks: Words,
    uppers: Words,
    lows: Words,
    bits: int,
    low_bits: int,
    places: Frames,
    recent_starts: Starts,
    recent_pairs: Pairs,
    young_starts: Starts,
    young_pairs: Pairs,
    reel_frames: float,
    gone: npt.NDArray[np.bool_],
    most: int,
) -> tuple[Frames, Weights]:
    """Do all that a search takes, in one step: a thousand streams wait for what is between them."""
    hashes, count = spread_keys(keys, first_rows), len(keys)
    begins, sizes = np.zeros((3, count), np.int64), np.zeros((3, count), np.int64)
    if len(places):
        find(hashes, HASH_BITS - bits, marks, uppers, lows, low_bits, len(places), begins[0], sizes[0])
    if len(recent_pairs):
        find_pairs(hashes, recent_starts, recent_pairs, begins[1], sizes[1])
    if len(young_pairs):
        find_pairs(hashes, young_starts, young_pairs, begins[2], sizes[2])
    weights = np.empty(count, np.uint8)
    total = _weigh(sizes[0] + sizes[1] + sizes[2], reel_frames, most, PARTS_PER_BIT, LEAST_WEIGHT, weights)
    votes, vote_weights = np.empty(total, np.uint32), np.empty(total, np.uint8)
    made = 0
    if len(places):
        _fetch(begins[0], weights, places)
        made = _places(begins[0], sizes[0], weights, frames, places, gone, votes, vote_weights, made)
    if len(recent_pairs):
        made = _places(begins[1], sizes[1], weights, frames, recent_pairs, gone, votes, vote_weights, made)
    if len(young_pairs):
        made = _places(begins[2], sizes[2], weights, frames, young_pairs, gone, votes, vote_weights, made)
    return votes[:made], vote_weights[:made]


@kernel
def _weigh(sizes: Sizes, frames: float, most: int, parts_per_bit: int, least: int, weights: Weights) -> int:
    """Weigh keys by how many postings they have, and return how many those have together that are not left out."""
    counts = np.zeros(64 * SIZE_CLASSES, np.int64)
    classes = np.empty(len(sizes), np.int64)
    for i in range(len(sizes)):
        bits = np.log2(max(1, sizes[i]))
        weights[i] = min(MOST_WEIGHT, max(0, int(parts_per_bit * (np.log2(frames) - bits))))
        classes[i] = int(bits * SIZE_CLASSES)
        if weights[i] > least:
            counts[classes[i]] += sizes[i]
    total, end = 0, 0
    while end < len(counts) and total + counts[end] <= most:
        total += counts[end]
        end += 1
    for i in range(len(sizes)):
        if classes[i] >= end or weights[i] <= least or sizes[i] == 0:
            weights[i] = 0
    return total


@kernel
def _places(
    begins: Sizes,
    sizes: Sizes,
    weights: Weights,
    frames: Frames,
    places: Frames | Pairs,
    gone: npt.NDArray[np.bool_],
    votes: Frames,
    vote_weights: Weights,
    made: int,
) -> int:
    for i in range(len(sizes)):
        if weights[i] == 0:
            continue
        for j in range(begins[i], begins[i] + sizes[i]):
            frame = np.int64(np.uint32(places[j]))
            if frame // PAGE < len(gone) and gone[frame // PAGE]:
                continue
            votes[made] = frame - np.int64(frames[i])
            vote_weights[made] = weights[i]
            made += 1
    return made


@kernel
def _fetch(begins: Sizes, weights: Weights, places: Frames | Pairs) -> int:
    """Read the first posting of each key, all at once, as a loop without branches can: memory is what is waited for.

    It halves the time of a search among 10,000 tracks.
    """
    seen = 0
    for i in range(len(begins)):
        seen |= int(np.int64(np.uint32(places[begins[i] * (weights[i] > 0)])))
    return seen
