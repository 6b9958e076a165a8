"""A stored catalogue of as many tracks as are wanted, for experiments, and the start of a server's index from it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.fingerprint.catalogue import Catalogue  # noqa: E402
from app.fingerprint.fingerprint import VERSION, Fingerprint  # noqa: E402
from app.fingerprint.follower import INDEX_POOL  # noqa: E402
from app.fingerprint.index import Index  # noqa: E402
from app.fingerprint.labels import Labels  # noqa: E402
from app.fingerprint.sql import SqlStore  # noqa: E402
from app.fingerprint.track import NewTrack  # noqa: E402
from app.runtime.database import READ_POOL, WRITE_POOL, Database  # noqa: E402
from app.runtime.workers import Workers  # noqa: E402

BATCH = 64
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Start:
    """How a process began that knew nothing."""

    imports: float
    """Seconds that Python took to load the program."""
    seconds: float
    """From then on until every track could be found."""
    tracks: int
    memory_mib: float
    """Its own at the most, without what it has mapped."""


class MemoryMeter:
    """The memory that this process alone has, sampled while it is open; what is mapped of a file does not count."""

    def __init__(self) -> None:
        self.most_mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "MemoryMeter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.02):
            self.most_mib = max(self.most_mib, own_memory_mib())


def own_memory_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def fill(url: str, tracks: int, make: Callable[[int], Fingerprint]) -> str:
    """Keep tracks until there are so many, numbered from 0; the id is one more. Returns the name of the catalogue."""
    return anyio.run(_fill, url, tracks, make)


async def _fill(url: str, tracks: int, make: Callable[[int], Fingerprint]) -> str:
    async with Database(url, _workers()) as database:
        await database.migrate()
        store = SqlStore(database)
        there = (await store.figures()).tracks
        for first in range(there, tracks, BATCH):
            await store.add([_new(number, make(number)) for number in range(first, min(first + BATCH, tracks))])
        return await store.origin()


def _new(number: int, fingerprint: Fingerprint) -> NewTrack:
    content_hash = hashlib.sha256(b"%d" % number).hexdigest()
    packed = fingerprint.to_bytes()
    return NewTrack(Labels(title=f"Track {number}"), fingerprint.duration, content_hash, VERSION, 0, packed)


def start(url: str, folder: Path, *, and_merge: bool = False) -> Start:
    """Start a process, with nothing of the catalogue's files in the memory of the system, until it has all tracks."""
    for path in (folder / "index", Path(url.removeprefix("sqlite:///"))):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, __file__, url, str(folder), "merge" if and_merge else ""]
    begun = time.time()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "BEGUN": str(begun)})
    return Start(**json.loads(done.stdout))


async def _start(url: str, folder: Path, and_merge: bool) -> Start:
    begun, workers = time.time(), _workers()
    with MemoryMeter() as memory:
        async with Database(url, workers) as database, Catalogue(SqlStore(database), folder, workers) as catalogue:
            await catalogue.catch_up()
            seconds, index = time.time() - begun, catalogue.index()
            if and_merge:
                await workers.run(INDEX_POOL, lambda: _merge(index))
            return Start(begun - float(os.environ["BEGUN"]), seconds, len(index.view().reel), memory.most_mib)


def _merge(index: Index) -> None:
    while not index.merge():  # the follower's own merge is running
        time.sleep(0.1)


def _workers() -> Workers:
    return Workers({READ_POOL: 2, WRITE_POOL: 2, INDEX_POOL: 2})


@contextmanager
def beside(index_folder: Path, origin: str):
    """Open the index of a folder in another one, so that what is merged there leaves the first as it was."""
    folder = index_folder / "beside"
    folder.mkdir(exist_ok=True)
    try:
        os.link(index_folder / "index", folder / "index")
        yield Index(folder, origin=origin)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


if __name__ == "__main__":
    print(json.dumps(asdict(anyio.run(_start, sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "merge"))))
