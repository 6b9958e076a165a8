"""Tracks that are nearly the same, as commands tell of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.cli.progress import clock_time
from app.cli.terminal import Terminal
from app.fingerprint.catalogue import Catalogue
from app.fingerprint.duplicates import Likeness, likenesses
from app.fingerprint.follower import INDEX_POOL
from app.fingerprint.track import Track
from app.runtime.workers import Workers


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tracks that are nearly the same."""

    track: Track
    other: Track
    likeness: Likeness

    def encode(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "track_id": self.track.id,
            "title": self.track.title,
            "other_id": self.other.id,
            "other_title": self.other.title,
            "seconds": round(self.likeness.seconds, 1),
            "share": round(self.likeness.share, 3),
            "offset": round(self.likeness.offset, 2),
        }


async def pairs_of(
    catalogue: Catalogue, workers: Workers, track_ids: Sequence[int], on_step: Callable[[int], None]
) -> list[Pair]:
    """Return what tracks of the catalogue are like these, each pair once; `on_step` is told how many were compared.

    Raises:
        Unavailable: the store does not answer.
    """
    await catalogue.catch_up()
    view = catalogue.index().view()
    found: dict[frozenset[int], Likeness] = {}
    for done, track_id in enumerate(track_ids, 1):
        for likeness in await workers.run(INDEX_POOL, partial(likenesses, view, track_id)):
            found.setdefault(frozenset((likeness.track_id, likeness.other_id)), likeness)
        on_step(done)
    return [pair for likeness in found.values() if (pair := await _pair(catalogue, likeness)) is not None]


async def _pair(catalogue: Catalogue, likeness: Likeness) -> Pair | None:
    tracks = {track.id: track for track in await catalogue.find([likeness.track_id, likeness.other_id])}
    if len(tracks) < 2:
        return None
    return Pair(tracks[likeness.track_id], tracks[likeness.other_id], likeness)


def say_pairs(terminal: Terminal, pairs: Sequence[Pair]) -> None:
    """Tell of them, the most alike first."""
    if pairs:
        terminal.say(f"{len(pairs)} {'pair is' if len(pairs) == 1 else 'pairs are'} nearly the same:")
    for pair in sorted(pairs, key=lambda pair: -pair.likeness.share):
        one, other = (f"'{track.title}' (id {track.id})" for track in (pair.track, pair.other))
        alike = f"{clock_time(pair.likeness.seconds)}, {pair.likeness.share:.0%} of the shorter one"
        terminal.say(f"  {one} and {other}: {alike}{_where(pair.likeness.offset)}")


def _where(offset: float) -> str:
    if abs(offset) < 1.0:
        return ""
    return f", which begins {clock_time(abs(offset))} {'later' if offset > 0 else 'earlier'} in the second"
