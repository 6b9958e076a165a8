"""What is in a snapshot: tracks, postings and peaks, under these names."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.fingerprint.bounds import Bounds
from app.fingerprint.constellation import Constellation
from app.fingerprint.postings import Postings
from app.fingerprint.reel import Reel
from app.fingerprint.snapshot import Snapshot


class Part(StrEnum):
    """An array of a snapshot."""

    TRACK_IDS = "track_ids"
    FIRST_FRAMES = "first_frames"
    LENGTHS = "lengths"
    PEAK_COUNTS = "peak_counts"
    PEAK_MARKS = "peak_marks"
    FREQUENCIES = "frequencies"
    STRENGTHS = "strengths"
    MARKS = "marks"
    UPPERS = "uppers"
    LOWS = "lows"
    POSTINGS = "postings"


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a search needs."""

    reel: Reel
    postings: Postings
    constellation: Constellation

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Contents":
        """Return views of the arrays of a snapshot; those of the tracks are copied."""
        track_ids = snapshot.array(Part.TRACK_IDS, np.int64)
        first_frames = snapshot.array(Part.FIRST_FRAMES, np.int64)
        lengths = snapshot.array(Part.LENGTHS, np.int64)
        return cls(
            Reel.whole(track_ids.copy(), first_frames.copy(), lengths.copy()),
            Postings(
                Bounds(
                    snapshot.array(Part.MARKS, np.uint32),
                    snapshot.array(Part.UPPERS, np.uint32),
                    snapshot.array(Part.LOWS, np.uint32),
                ),
                snapshot.array(Part.POSTINGS, np.uint32),
            ),
            Constellation(
                snapshot.array(Part.PEAK_COUNTS, np.uint8),
                snapshot.array(Part.PEAK_MARKS, np.uint64),
                snapshot.array(Part.FREQUENCIES, np.uint16),
                snapshot.array(Part.STRENGTHS, np.uint8),
            ),
        )

    @classmethod
    def none(cls) -> "Contents":
        """Return nothing."""
        return cls(Reel.empty(), Postings.none(), Constellation.none())
