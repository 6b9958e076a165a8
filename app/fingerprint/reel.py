"""The reel: all tracks laid end to end, so that one number names a moment of a track.

Frames of the reel are those of the spectrum. A track begins at a whole page, and behind each there is a gap, wide
enough for a query that begins before a track does, or goes on behind it.
"""

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from app.errors import Overloaded
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.postings import frozen

Ids: TypeAlias = npt.NDArray[np.int64]
Places: TypeAlias = npt.NDArray[np.int64]

FRAMES_PER_SECOND = 11_025 / 256
PAGE = 256
"""Frames, 5.9 s."""
GAP = 256
"""At least, between two tracks."""
MOST_FRAMES = 1 << 32
"""Of the reel: 27,700 hours."""


@dataclass(frozen=True, slots=True)
class Place:
    """A track on the reel."""

    track_id: int
    first_frame: int
    """Of the reel."""
    frames: int
    """How long it is."""

    @property
    def end_frame(self) -> int:
        """The frame of the reel behind its last."""
        return self.first_frame + self.frames


@dataclass(frozen=True, slots=True)
class Reel:
    """Where each track is; all arrays of shape `(tracks,)`, in the order of the reel."""

    track_ids: Ids
    first_frames: Places
    lengths: Places
    """Frames."""
    is_there: npt.NDArray[np.bool_]
    """False for those that were removed, whose place stays until the next merge."""
    gone: npt.NDArray[np.bool_]
    """By page of the reel: whether it is of a track that was removed. False for pages beyond, as for all at first."""
    frames: int = field(init=False)
    """Of all tracks that are there."""

    def __post_init__(self) -> None:
        """Add up what each search asks for."""
        object.__setattr__(self, "frames", int(self.lengths[self.is_there].sum()))

    def __len__(self) -> int:
        """Count the tracks that are there."""
        return int(np.count_nonzero(self.is_there))

    @property
    def end(self) -> int:
        """The frame at which the next track may begin."""
        return following(int(self.first_frames[-1]), int(self.lengths[-1])) if len(self.lengths) else 0

    @property
    def seconds(self) -> float:
        """Of all tracks that are there."""
        return self.frames / FRAMES_PER_SECOND

    def at(self, frame: int) -> Place | None:
        """Return the track that is there at a frame, or begins less than a gap later; None if there is none."""
        number = self._number_at(frame)
        if number < 0 or not self.is_there[number]:
            return None
        first, length = int(self.first_frames[number]), int(self.lengths[number])
        return Place(int(self.track_ids[number]), first, length) if frame < first + length else None

    def start_of(self, frame: int) -> int:
        """Return the first frame of the last track that begins before a frame, or less than a gap later; else 0."""
        number = self._number_at(frame)
        return int(self.first_frames[number]) if number >= 0 else 0

    def find(self, track_id: int) -> Place | None:
        """Return where a track is; None if it is not there."""
        number = self.number_of(track_id)
        if number is None:
            return None
        return Place(track_id, int(self.first_frames[number]), int(self.lengths[number]))

    def number_of(self, track_id: int) -> int | None:
        """Return which of the tracks that are there has an id; None if none has."""
        numbers = np.flatnonzero((self.track_ids == track_id) & self.is_there)
        return int(numbers[0]) if len(numbers) else None

    def agrees_with(self, other: "Reel") -> bool:
        """Tell whether all tracks that are there are where the other has them."""
        mine, others = self.is_there, other.is_there
        return np.array_equal(self.track_ids[mine], other.track_ids[others]) and np.array_equal(
            self.first_frames[mine], other.first_frames[others]
        )

    def without(self, number: int) -> "Reel":
        """Return the reel after that track was removed."""
        is_there, gone = self.is_there.copy(), np.zeros(self.end // PAGE, np.bool_)
        gone[: len(self.gone)] = self.gone
        first, length = int(self.first_frames[number]), int(self.lengths[number])
        is_there[number] = False
        gone[first // PAGE : following(first, length) // PAGE] = True
        return replace(self, is_there=is_there, gone=frozen(gone))

    def with_tracks(self, track_ids: list[int], lengths: list[int]) -> "Reel":
        """Return the reel with tracks added at its end.

        Raises:
            Overloaded: the reel is full.
        """
        firsts, end = [], self.end
        for length in lengths:
            firsts.append(end)
            end = following(end, length)
        if end > MOST_FRAMES:
            raise Overloaded(f"{end} frames of tracks, the index has {MOST_FRAMES}")
        return Reel(
            np.append(self.track_ids, np.array(track_ids, np.int64)),
            np.append(self.first_frames, np.array(firsts, np.int64)),
            np.append(self.lengths, np.array(lengths, np.int64)),
            np.append(self.is_there, np.ones(len(lengths), np.bool_)),
            self.gone,
        )

    def _number_at(self, frame: int) -> int:
        return int(np.searchsorted(self.first_frames, frame + GAP, side="right")) - 1

    @classmethod
    def empty(cls) -> "Reel":
        """Return one without tracks."""
        nothing = np.empty(0, np.int64)
        return cls.whole(nothing, nothing, nothing)

    @classmethod
    def whole(cls, track_ids: Ids, first_frames: Places, lengths: Places) -> "Reel":
        """Return one of which all tracks are there."""
        gone = frozen(np.empty(0, np.bool_))
        return cls(track_ids, first_frames, lengths, np.ones(len(track_ids), np.bool_), gone)


def following(first_frame: int, length: int) -> int:
    """Return where the next track begins."""
    return first_frame + -(-(length + GAP) // PAGE) * PAGE


def length_of(fingerprint: Fingerprint) -> int:
    """Return how many frames of the reel a track takes."""
    frames = fingerprint.peaks.frames
    last = int(frames[-1]) + 1 if len(frames) else 0
    return max(last, round(fingerprint.duration * FRAMES_PER_SECOND))
