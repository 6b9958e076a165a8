"""Merging: a new snapshot out of the old one and what was added since, without the tracks that were removed.

Old postings are copied bucket by bucket, and new ones put behind them: so the file is written from front to back, and
little memory is needed however large it is. Only when there are to be more buckets, all postings are made anew from the
peaks; that happens once, while they are few.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from app.fingerprint.bounds import Sizes, bounds_of
from app.fingerprint.contents import Part
from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import landmarks
from app.fingerprint.peaks import Frames, Peaks
from app.fingerprint.postings import LEAST_BITS, Pairs, Postings, frozen, pair
from app.fingerprint.reel import PAGE, Places, Reel, following
from app.fingerprint.snapshot import SnapshotDraft, Stamp, new_snapshot
from app.fingerprint.spread import EXACT_BITS, HASH_BITS
from app.fingerprint.view import View

SMALL = 1 << 22
"""Postings up to which an index is a small one, of which a merge takes less. In a larger one each key has a bucket."""
BLOCK_BITS = 16
"""So many buckets are written at once."""
REMOVED = -(1 << 62)

Check = Callable[[], None]
"""Is called several times a second; what it raises ends the merge."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written."""

    view: View
    reel: Reel
    moves: Places
    """What is added to the frames of each page of the old reel; `REMOVED` where a track was."""
    old: Postings
    new: list[Pairs]
    bits: int
    check: Check


def merge(view: View, path: Path, stamp: Stamp, check: Check) -> None:
    """Write a snapshot of all tracks that a view has.

    Raises:
        OSError: the folder refuses, or is full.
    """
    plan = _plan(view, check)
    with new_snapshot(path, stamp) as draft:
        _put_tracks(draft, plan.reel)
        _put_peaks(draft, plan)
        _put_postings(draft, plan)


def bits_for(postings: int) -> int:
    """Return the logarithm of how many buckets so many postings have."""
    return LEAST_BITS if postings <= SMALL else EXACT_BITS


def _plan(view: View, check: Check) -> _Plan:
    is_there = view.reel.is_there
    reel = Reel.empty().with_tracks(view.reel.track_ids[is_there].tolist(), view.reel.lengths[is_there].tolist())
    moves = _moves(view.reel, reel)
    new = [_moved(part.pairs, moves) for part in (view.recent, view.young)]
    bits = bits_for(len(view.postings) + sum(map(len, new)))
    old = view.postings
    if len(old) and old.bounds.bits != bits:
        new.append(frozen(_remade(view, moves, check)))
        old = Postings.none()
    return _Plan(view, reel, moves, old, new, bits, check)


def _moves(old: Reel, new: Reel) -> Places:
    moves = np.full(old.end // PAGE, REMOVED, np.int64)
    kept = zip(old.first_frames[old.is_there], old.lengths[old.is_there], new.first_frames, strict=True)
    for old_first, length, new_first in kept:
        moves[old_first // PAGE : following(old_first, length) // PAGE] = new_first - old_first
    return moves


def _remade(view: View, moves: Places, check: Check) -> Pairs:
    """Make the postings of the old snapshot's tracks again."""
    pairs = np.empty(len(view.postings), np.uint64)
    made = 0
    for first, length in zip(view.reel.first_frames.tolist(), view.reel.lengths.tolist(), strict=True):
        move = int(moves[first // PAGE])
        if move == REMOVED or first >= len(view.constellation.counts):
            continue
        check()
        found = landmarks(view.peaks(first, first + length))
        more = pair(found.keys, (found.frames.astype(np.int64) + move).astype(np.uint32))
        pairs[made : made + len(more)] = more
        made += len(more)
    pairs = pairs[:made]
    pairs.sort()
    return pairs


def _put_tracks(draft: SnapshotDraft, reel: Reel) -> None:
    draft.put(Part.TRACK_IDS, np.int64, [reel.track_ids])
    draft.put(Part.FIRST_FRAMES, np.int64, [reel.first_frames])
    draft.put(Part.LENGTHS, np.int64, [reel.lengths])


def _put_peaks(draft: SnapshotDraft, plan: _Plan) -> None:
    page_sums: list[np.ndarray] = [np.zeros(1, np.uint64)]

    def counts() -> Iterator[np.ndarray]:
        for peaks, frames in _tracks(plan):
            counted = np.bincount(peaks.frames, minlength=frames)
            page_sums.append(counted.reshape(-1, PAGE).sum(axis=1, dtype=np.uint64))
            yield counted.astype(np.uint8)

    draft.put(Part.PEAK_COUNTS, np.uint8, counts())
    draft.put(Part.PEAK_MARKS, np.uint64, [np.cumsum(np.concatenate(page_sums), dtype=np.uint64)])
    draft.put(Part.FREQUENCIES, np.uint16, (peaks.frequencies for peaks, _ in _tracks(plan)))
    draft.put(Part.STRENGTHS, np.uint8, (peaks.strengths for peaks, _ in _tracks(plan)))


def _tracks(plan: _Plan) -> Iterator[tuple[Peaks, int]]:
    """Yield the peaks of each track, whose frames count from 0, and how many frames it has with the gap behind it."""
    reel = plan.view.reel
    for number in np.flatnonzero(reel.is_there).tolist():
        plan.check()
        first, length = int(reel.first_frames[number]), int(reel.lengths[number])
        peaks = plan.view.peaks(first, first + length)
        yield Peaks(peaks.frames - np.uint32(first), peaks.frequencies, peaks.strengths), following(0, length)


def _put_postings(draft: SnapshotDraft, plan: _Plan) -> None:
    most = len(plan.old) + sum(map(len, plan.new))
    bounds = bounds_of(map(partial(_sizes, plan), range(_blocks(plan))), bits=plan.bits, most=most)
    draft.put(Part.MARKS, np.uint32, [bounds.marks])
    draft.put(Part.UPPERS, np.uint32, [bounds.uppers])
    draft.put(Part.LOWS, np.uint32, [bounds.lows])
    draft.put(Part.POSTINGS, np.uint32, map(partial(_postings, plan), range(_blocks(plan))))


def _blocks(plan: _Plan) -> int:
    return 1 << plan.bits - BLOCK_BITS


def _sizes(plan: _Plan, block: int) -> Sizes:
    """Count the postings of each bucket of a block."""
    plan.check()
    sizes = np.zeros(1 << BLOCK_BITS, np.int64)
    if len(plan.old):
        _count_old(_old_bounds(plan, block), plan.old.frames, plan.moves, sizes)
    for pairs in _pairs(plan, block):
        _count_new(pairs, HASH_BITS - plan.bits, sizes)
    return sizes


def _postings(plan: _Plan, block: int) -> Frames:
    """Return the postings of a block."""
    sizes = _sizes(plan, block)
    ends = np.cumsum(sizes)
    places, frames = ends - sizes, np.empty(int(ends[-1]), np.uint32)
    if len(plan.old):
        _fill_old(_old_bounds(plan, block), plan.old.frames, plan.moves, places, frames)
    for pairs in _pairs(plan, block):
        _fill_new(pairs, HASH_BITS - plan.bits, places, frames)
    return frames


def _old_bounds(plan: _Plan, block: int) -> Sizes:
    return plan.old.bounds.between(block << BLOCK_BITS, 1 << BLOCK_BITS, len(plan.old))


def _pairs(plan: _Plan, block: int) -> Iterator[Pairs]:
    """Yield the new postings of a block."""
    shift = 64 - plan.bits + BLOCK_BITS
    for pairs in plan.new:
        first = np.searchsorted(pairs, np.uint64(block << shift))
        end = np.searchsorted(pairs, np.uint64(block + 1 << shift)) if block + 1 < _blocks(plan) else len(pairs)
        yield pairs[first:end]


def _moved(pairs: Pairs, moves: Places) -> Pairs:
    return frozen(_with_moves(pairs, moves)) if np.any(moves) else pairs


@kernel
def _with_moves(pairs: Pairs, moves: Places) -> Pairs:
    kept = np.empty(len(pairs), np.uint64)
    made = 0
    for i in range(len(pairs)):
        frame = np.int64(np.uint32(pairs[i]))
        move = moves[frame // PAGE]
        if move != REMOVED:
            kept[made] = (pairs[i] >> np.uint64(32) << np.uint64(32)) | np.uint64(frame + move)
            made += 1
    return kept[:made]


@kernel
def _count_old(bounds: Sizes, frames: Frames, moves: Places, sizes: Sizes) -> None:
    for i in range(len(sizes)):
        for j in range(bounds[i], bounds[i + 1]):
            if moves[frames[j] // PAGE] != REMOVED:
                sizes[i] += 1


@kernel
def _fill_old(bounds: Sizes, frames: Frames, moves: Places, places: Sizes, out: Frames) -> None:
    for i in range(len(places)):
        for j in range(bounds[i], bounds[i + 1]):
            move = moves[frames[j] // PAGE]
            if move != REMOVED:
                out[places[i]] = np.int64(frames[j]) + move
                places[i] += 1


@kernel
def _count_new(pairs: Pairs, shift: int, sizes: Sizes) -> None:
    for i in range(len(pairs)):
        sizes[np.int64(pairs[i] >> np.uint64(32)) >> shift & (1 << BLOCK_BITS) - 1] += 1


@kernel
def _fill_new(pairs: Pairs, shift: int, places: Sizes, out: Frames) -> None:
    for i in range(len(pairs)):
        bucket = np.int64(pairs[i] >> np.uint64(32)) >> shift & (1 << BLOCK_BITS) - 1
        out[places[bucket]] = np.uint32(pairs[i])
        places[bucket] += 1
