"""Tracks that are nearly the same: another encoding, another edition, or a mix in which the other is heard.

Excerpts of a track are looked up like any query; where another track answers, the peaks of both are compared ten
seconds at a time. Of the same recording they share most; by chance, and by the same style, few. What was played at
another speed shares none and is not found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.fingerprint.kernel import kernel
from app.fingerprint.landmarks import landmarks
from app.fingerprint.peaks import BIN_PARTS, Frames, Frequencies, Peaks
from app.fingerprint.reel import FRAMES_PER_SECOND, Place
from app.fingerprint.view import View
from app.fingerprint.votes import count

EXCERPT_FRAMES: Final = 430
"""Ten seconds."""
EXCERPTS: Final = 8
"""Of each track, spread evenly."""
CANDIDATES: Final = 8
"""Of each excerpt; its own track is one."""
NEAR_FRAMES: Final = 1
NEAR_PARTS: Final = BIN_PARTS * 4 // 5
"""Within so many frames and parts of a bin two peaks are the same."""
ALIKE_SHARE: Final = 0.25
"""Of the peaks of ten seconds, from which on they are alike. Among 296 tracks of games, strangers had 0.1 in common at
most, remixes 0.2 to 0.5, other encodings more."""
LEAST_SHARE: Final = 0.5
"""Of a short track, that is told of."""
LEAST_SECONDS: Final = 9.9
"""That are told of, of longer tracks."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two tracks have in common."""

    track_id: int
    other_id: int
    seconds: float
    """That are alike, in steps of ten."""
    share: float
    """Of the shorter one, 0…1."""
    offset: float
    """Seconds in the other one at which this one would begin; negative if it begins before it."""

    @property
    def is_near(self) -> bool:
        """Whether it is worth telling of."""
        return self.seconds >= LEAST_SECONDS or self.share >= LEAST_SHARE


def likenesses(view: View, track_id: int) -> list[Likeness]:
    """Return which tracks are like one, the most alike first. It blocks, some milliseconds an excerpt."""
    number = view.reel.number_of(track_id)
    if number is None:
        return []
    own = Place(track_id, int(view.reel.first_frames[number]), int(view.reel.lengths[number]))
    peaks = _from_zero(view, own)
    found: dict[int, Likeness] = {}
    for other, shift in set(_answers(view, own, peaks)):
        likeness = _compare(own, peaks, other, _from_zero(view, other), shift)
        if likeness.is_near and likeness.seconds > (found[other.track_id].seconds if other.track_id in found else 0.0):
            found[other.track_id] = likeness
    return sorted(found.values(), key=lambda likeness: (-likeness.share, likeness.other_id))


def _answers(view: View, own: Place, peaks: Peaks) -> Iterator[tuple[Place, int]]:
    """Yield other tracks in which an excerpt seems to be, and the frame of theirs at which this track would begin."""
    last = max(0, own.frames - EXCERPT_FRAMES)
    for first in sorted(set(np.linspace(0, last, EXCERPTS).astype(int).tolist())):
        asked = landmarks(_cut(peaks, first, first + EXCERPT_FRAMES))
        for place in count(view.gather(asked.keys, asked.frames), most=CANDIDATES).places.tolist():
            # the excerpt's frames count from the track's first, so the place is where the track would begin
            other = view.track_at(place + first)
            if other is not None and other.track_id != own.track_id:
                yield other, place - other.first_frame


def _compare(own: Place, peaks: Peaks, other: Place, other_peaks: Peaks, shift: int) -> Likeness:
    """Compare two tracks, one of which would begin `shift` frames behind the other's beginning."""
    first, end = max(0, -shift), min(own.frames, other.frames - shift)
    alike = 0
    for start in range(first, end, EXCERPT_FRAMES):
        stop = min(start + EXCERPT_FRAMES, end)
        part, other_part = _cut(peaks, start, stop), _cut(other_peaks, start + shift, stop + shift)
        shared = _shared(part.frames, part.frequencies, other_part.frames, other_part.frequencies, shift)
        if shared > ALIKE_SHARE * max(1, len(part), len(other_part)):
            alike += stop - start
    shorter = max(1, min(own.frames, other.frames))
    seconds = alike / FRAMES_PER_SECOND
    return Likeness(own.track_id, other.track_id, seconds, alike / shorter, shift / FRAMES_PER_SECOND)


def _from_zero(view: View, place: Place) -> Peaks:
    """Return the peaks of a track, whose frames count from its first."""
    peaks = view.peaks(place.first_frame, place.first_frame + place.frames)
    return Peaks(peaks.frames - np.uint32(place.first_frame), peaks.frequencies, peaks.strengths)


def _cut(peaks: Peaks, first: int, end: int) -> Peaks:
    start, stop = np.searchsorted(peaks.frames, [max(0, first), max(0, end)])
    return Peaks(peaks.frames[start:stop], peaks.frequencies[start:stop], peaks.strengths[start:stop])


@kernel
def _shared(
    frames: Frames, frequencies: Frequencies, other_frames: Frames, other_frequencies: Frequencies, shift: int
) -> int:
    """Count the peaks that have one of the other track beside them."""
    shared, first = 0, 0
    for i in range(len(frames)):
        frame = np.int64(frames[i]) + shift
        while first < len(other_frames) and np.int64(other_frames[first]) < frame - NEAR_FRAMES:
            first += 1
        j = first
        while j < len(other_frames) and np.int64(other_frames[j]) <= frame + NEAR_FRAMES:
            if abs(np.int64(frequencies[i]) - np.int64(other_frequencies[j])) <= NEAR_PARTS:
                shared += 1
                break
            j += 1
    return shared
