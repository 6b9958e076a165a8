"""What the voices did so far: counted events, from which everything that is told is computed.

An event is named by three things: the backend, what happened, and a number within it (the bucket of a time, otherwise
0). So everything there is are counts; they add up over restarts and over servers, and their number is bounded.
What is stored elsewhere stands beside what was not written yet, and the sum of the two is told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from app.tts.latency import Latency, bucket_of

Event: TypeAlias = tuple[str, str, int]
"""Backend (empty: none of them), what happened, and the bucket of its time or 0."""

FINISHED: Final = "finished"
FIRST_AUDIO: Final = "first_audio"
FAILED: Final = "failed:"
"""Followed by the kind of failure."""

FROM_MEMORY: Final = "cache:memory"
FROM_DISK: Final = "cache:disk"
NOT_IN_MEMORY: Final = "cache:not_in_memory"
"""Whether on disk or not; so no count ever has to be taken back."""


@dataclass(frozen=True, slots=True)
class BackendFigures:
    """What one backend did."""

    jobs: int
    """That ended well."""
    failures: Mapping[str, int]
    """By the class of the error."""
    finished: Latency | None
    """Of whole speech, from the beginning of its turn; None before the first."""
    first_audio: Latency | None
    """Of the first sound of a stream, from the beginning of its turn."""


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What became of the lookups."""

    memory_hits: int
    disk_hits: int
    misses: int

    @property
    def hit_rate(self) -> float | None:
        """Fraction 0…1 that either level answered; None before the first lookup."""
        hits = self.memory_hits + self.disk_hits
        return hits / (hits + self.misses) if hits + self.misses else None


class Statistics:
    """The counts of this server and of those that share its store. Lives on one event loop."""

    def __init__(self) -> None:
        self._stored: Counter[Event] = Counter()
        self._on_the_way: Counter[Event] = Counter()
        self._new: Counter[Event] = Counter()

    def finished(self, backend: str, seconds: float) -> None:
        """Count speech that was finished, `seconds` after its turn began."""
        self._new[backend, FINISHED, bucket_of(seconds)] += 1

    def first_audio(self, backend: str, seconds: float) -> None:
        """Count a stream whose first sound was there `seconds` after its turn began."""
        self._new[backend, FIRST_AUDIO, bucket_of(seconds)] += 1

    def failed(self, backend: str, kind: str) -> None:
        """Count a failure; `kind` is the class of the error."""
        self._new[backend, FAILED + kind, 0] += 1

    def looked_up(self, what: str) -> None:
        """Count a lookup in the caches: `FROM_MEMORY` or `NOT_IN_MEMORY`, and `FROM_DISK` if the disk had it."""
        self._new["", what, 0] += 1

    def take(self) -> Counter[Event]:
        """Return what is to be stored. It counts as it did until `stored` or `give_back`, one of which must follow."""
        self._on_the_way, self._new = self._new, Counter()
        return self._on_the_way.copy()

    def stored(self, everything: Mapping[Event, int]) -> None:
        """Note that what was taken is in the store, which now holds `everything`."""
        self._stored = Counter(everything)
        self._on_the_way.clear()

    def give_back(self) -> None:
        """Note that what was taken could not be stored; the next `take` returns it again."""
        self._new.update(self._on_the_way)
        self._on_the_way.clear()

    def backends(self) -> dict[str, BackendFigures]:
        """Return the figures of every backend that ever did something, by name."""
        events = self._all()
        names = sorted({backend for backend, _, _ in events if backend})
        return {name: _figures({event[1:]: n for event, n in events.items() if event[0] == name}) for name in names}

    def cache(self) -> CacheFigures:
        """Return the figures of the caches."""
        events = self._all()
        on_disk = events["", FROM_DISK, 0]
        return CacheFigures(events["", FROM_MEMORY, 0], on_disk, events["", NOT_IN_MEMORY, 0] - on_disk)

    def _all(self) -> Counter[Event]:
        return self._stored + self._on_the_way + self._new


def _figures(events: Mapping[tuple[str, int], int]) -> BackendFigures:
    finished = Latency.of(dict(_buckets(events, FINISHED)))
    return BackendFigures(
        jobs=finished.count if finished else 0,
        failures={what.removeprefix(FAILED): n for (what, _), n in sorted(events.items()) if what.startswith(FAILED)},
        finished=finished,
        first_audio=Latency.of(dict(_buckets(events, FIRST_AUDIO))),
    )


def _buckets(events: Mapping[tuple[str, int], int], wanted: str) -> Iterator[tuple[int, int]]:
    return ((bucket, count) for (what, bucket), count in events.items() if what == wanted)
