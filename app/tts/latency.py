"""Percentiles of times out of counted buckets, in bounded memory and mergeable by addition.

The buckets grow by a constant factor, so the error is relative: a percentile is at most `ERROR` of itself away from
the exact one (nearest rank), for times between `LEAST` and `MOST` seconds; shorter and longer times are told as these
two. After Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees"
(VLDB 2019), section 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ERROR: Final = 0.02
LEAST: Final = 0.0001
MOST: Final = 3600.0

_GROWTH: Final = (1 + ERROR) / (1 - ERROR)
_LAST: Final = math.ceil(math.log(MOST / LEAST) / math.log(_GROWTH))
BUCKETS: Final = _LAST + 1
"""436. Counts of other constants than these mean other times: changing one of them needs a migration."""


@dataclass(frozen=True, slots=True)
class Latency:
    """What is told of many times, in seconds."""

    count: int
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> "Latency | None":
        """Return the figures of counted buckets, None if nothing was counted."""
        count = sum(counts.values())
        if not count:
            return None
        return cls(count, percentile(counts, 0.5), percentile(counts, 0.9), percentile(counts, 0.99))


def bucket_of(seconds: float) -> int:
    """Return the bucket that counts a time; bucket n holds (LEAST·g^(n-1), LEAST·g^n], with g the growth."""
    if seconds <= LEAST:
        return 0
    return math.ceil(math.log(min(seconds, MOST) / LEAST) / math.log(_GROWTH))


def seconds_of(bucket: int) -> float:
    """Return the time that stands for a bucket: the one from which its two ends are equally far, relatively."""
    if bucket <= 0:
        return LEAST
    return min(LEAST * _GROWTH**bucket * (1 - ERROR), MOST)


def percentile(counts: Mapping[int, int], fraction: float) -> float:
    """Return the time that this fraction (0…1) of the counted ones does not exceed; `counts` must count something."""
    rank = max(1, math.ceil(fraction * sum(counts.values())))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return seconds_of(bucket)
    raise ValueError("counts must count something")
