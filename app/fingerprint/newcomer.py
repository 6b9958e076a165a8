"""Tracks on their way into the index: what takes time is made before anybody has to wait for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.errors import InvalidFingerprint
from app.fingerprint.fingerprint import MOST_PER_FRAME, Fingerprint
from app.fingerprint.landmarks import landmarks
from app.fingerprint.peaks import Peaks
from app.fingerprint.postings import NewPostings, Pairs, pair
from app.fingerprint.reel import length_of
from app.fingerprint.view import View

YOUNG = 1 << 20
"""Postings, of some 30 tracks, with which those of a new track are merged; when they are more, and an eighth of all in
memory, they are merged with those."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A track that is not on the reel yet; all its frames count from 0."""

    track_id: int
    frames: int
    peaks: Peaks
    pairs: Pairs

    @classmethod
    def of(cls, track_id: int, fingerprint: Fingerprint) -> "Newcomer":
        """Make the landmarks of a track.

        Raises:
            InvalidFingerprint: it has more peaks in a frame than any sound has.
        """
        peaks = fingerprint.peaks
        if len(peaks) and int(np.bincount(peaks.frames).max()) > MOST_PER_FRAME:
            raise InvalidFingerprint(f"track {track_id} has a frame of more than {MOST_PER_FRAME} peaks")
        return cls.made(track_id, length_of(fingerprint), peaks)

    @classmethod
    def made(cls, track_id: int, frames: int, peaks: Peaks) -> "Newcomer":
        """Make the landmarks of peaks that are known to be sound."""
        found = landmarks(peaks)
        return cls(track_id, frames, peaks, pair(found.keys, found.frames))


def joined(view: View, newcomers: Sequence[Newcomer]) -> View:
    """Return a view that has these tracks too, instead of those of the same ids.

    Raises:
        Overloaded: the reel is full.
    """
    for newcomer in newcomers:
        view = view.without(newcomer.track_id)
    before = len(view.reel.track_ids)
    reel = view.reel.with_tracks([one.track_id for one in newcomers], [one.frames for one in newcomers])
    firsts = reel.first_frames[before:].tolist()
    peaks = dict(zip(firsts, (one.peaks for one in newcomers), strict=True))
    moved = [one.pairs + np.uint64(first) for one, first in zip(newcomers, firsts, strict=True)]
    return replace(_with_pairs(view, moved), reel=reel, recent_peaks={**view.recent_peaks, **peaks})


def _with_pairs(view: View, more: Sequence[Pairs]) -> View:
    pairs = np.concatenate([np.empty(0, np.uint64), *more])
    pairs.sort()
    young = view.young.with_pairs(pairs)
    if len(young) <= max(YOUNG, len(view.recent) // 8):
        return replace(view, young=young)
    return replace(view, recent=view.recent.with_pairs(young.pairs), young=NewPostings.none())
