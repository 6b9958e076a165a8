"""Folders of recordings for tests: a clock that is set by hand, ids in order, and what lies in a folder."""

import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from app.takes.ids import Ids, Kind
from app.takes.recordings import Recordings

START = 1_700_000_000.0

_ids = Ids(clock=lambda: START, rng=random.Random(1))
IDS = [_ids.new(Kind.TAKE) for _ in range(50)]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def recordings(folder: Path, *, threads: int = 2, **options) -> Recordings:
    return Recordings(folder, workers=Workers({FILES_POOL: threads, CODEC_POOL: 1}), **options)


def names(folder: Path) -> list[str]:
    """Return what files lie in a folder, as their takes' numbers in `IDS` and their suffixes: `0.wav`, `2.mp3.tmp`."""
    return sorted(_short(path.name) for path in folder.rglob("*") if path.is_file())


def _short(name: str) -> str:
    id, _, rest = name.partition(".")
    suffix = f"{rest.split('.')[0]}.tmp" if rest.endswith(".tmp") else rest
    return f"{IDS.index(id)}.{suffix}" if id in IDS else name


@contextmanager
def no_room_behind(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size: the system writes what still fits, then refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
