"""Measures the store of takes, and what recordings cost, without a wire and without a voice.

    .venv/bin/python scripts/bench_takes.py [--takes 1000 100000] [--url postgresql://user@host/database] [--mib 100]

Prints tables in Markdown. Takes are of a hundred accounts. Without --url the store is a SQLite file, with it a schema
of its own in that database, dropped afterwards. Everything is written to a temporary folder.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import psutil
import psycopg

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.runtime.database import READ_POOL, WRITE_POOL, Database  # noqa: E402
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers  # noqa: E402
from app.takes.deliveries import Delivery, Hook  # noqa: E402
from app.takes.ids import Ids, Kind, time_ms  # noqa: E402
from app.takes.recordings import COPIES, Recordings  # noqa: E402
from app.takes.sql import SqlDeliveries, SqlStore  # noqa: E402
from app.takes.store import Page  # noqa: E402
from app.takes.take import Recorded, Status, Take, TakeRequest, Webhook, Wording  # noqa: E402

MIB = 1024 * 1024
ACCOUNTS = 100
BATCH = 1000
ROUNDS = 50
SCHEMA = "bench_takes"
TEXT = "The quick brown fox jumps over the lazy dog, and nobody knows why. " * 4
FAST = "https://fast.example/hook"
SAMPLE_RATE = 44_100


class Takes:
    """Takes of many accounts, one a second."""

    def __init__(self) -> None:
        self._made = 0
        self._ids = Ids(clock=lambda: 1_700_000_000.0 + self._made)

    def next(self, count: int) -> list[Take]:
        return [self._next() for _ in range(count)]

    def _next(self) -> Take:
        self._made += 1
        id = self._ids.new(Kind.TAKE)
        request = TakeRequest(Wording(TEXT, status_webhook=Webhook(FAST)), "v01jd5kz3k8a9b7c6d5e4f3g2h1", self._made)
        recorded = Recorded(220_500, 22_050, (TEXT,))
        return Take(id, f"account {self._made % ACCOUNTS}", request, Status.READY, time_ms(id), recorded)


@contextmanager
def database_url(given: str, folder: Path) -> Iterator[str]:
    """Yield where the takes go: a file, or a new schema."""
    if not given:
        yield f"sqlite:///{folder / 'takes.db'}"
        return
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            yield f"{given}{'&' if '?' in given else '?'}options=-csearch_path%3D{SCHEMA}"
        finally:
            connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


async def row(name: str, call: Callable[[], Awaitable[object]], rounds: int = ROUNDS) -> None:
    """Print what a call costs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        await call()
        times.append((time.perf_counter() - start) * 1000)
    print(f"| {name} | {statistics.median(times):.2f} | {max(times):.2f} |", flush=True)


async def fill(store: SqlStore, takes: Takes, count: int) -> float:
    """Add takes; returns the seconds it took."""
    start = time.perf_counter()
    for done in range(0, count, BATCH):
        await store.add_takes(takes.next(min(BATCH, count - done)), maker="bench")
    return time.perf_counter() - start


async def bench_store(store: SqlStore, takes: Takes, count: int) -> None:
    """Print what the store costs when it holds so many takes."""
    everything = await store.list_takes("account 1", Page(length=1000))
    mine = len(everything) if count < ACCOUNTS * 1000 else count // ACCOUNTS
    middle = everything[len(everything) // 2]
    print(f"\n{count} takes of {ACCOUNTS} accounts, {mine} of them of the one that asks\n")
    print("| what | median ms | worst ms |\n|---|--:|--:|")
    await row("first page of 100", lambda: store.list_takes("account 1", Page()))
    last = max(1, mine // 100)
    await row(f"page {last} of 100", lambda: store.list_takes("account 1", Page(number=last)))
    older = Page(older=middle.timestamp_ms, newer=0)
    await row("100 older than one in the middle", lambda: store.list_takes("account 1", older))
    by_id = Page(ids=tuple(take.id for take in everything[:100]))
    await row("100 by id", lambda: store.list_takes("account 1", by_id))
    await row("one by id", lambda: store.find_take("account 1", middle.id))
    await row("what a server has not done (none)", lambda: store.unfinished_takes("bench", limit=100))
    await row("what nobody has done (none)", lambda: store.overdue_takes(before_ms=1 << 60, limit=100))
    await row("known of 1000", lambda: store.known_takes([take.id for take in everything]))

    async def make() -> None:
        (take,) = takes.next(1)
        take = replace(take, status=Status.WAITING, recorded=None)
        await store.add_takes([take], maker="bench")
        for status in (Status.STARTED, Status.PROGRESS_50, Status.READY):
            await store.save_take(replace(take, status=status))

    await row("one take added and saved three times", make)


async def bench_deliveries(deliveries: SqlDeliveries, count: int, receivers: int) -> None:
    """Print what it costs to call one receiver while others hang, to which so many calls are due."""
    ids = Ids()

    def owed(subject: str, url: str, due: int) -> Delivery:
        return Delivery(ids.new(Kind.DELIVERY), "a", subject, Hook.DONE, url, bytes(500), due)

    slow = [f"slow{n}.example" for n in range(receivers)]
    pile = [owed(f"{receivers} {n}", f"https://{slow[n % receivers]}/", n) for n in range(count)]
    for start in range(0, count, BATCH):
        await deliveries.add(pile[start : start + BATCH])
    print(f"\n{count} calls are due to {receivers} receivers that hang\n")
    print("| what | median ms | worst ms |\n|---|--:|--:|")

    async def call() -> None:
        await deliveries.add([owed("t", FAST, count)])
        (claimed,) = await deliveries.claim(now_ms=count, until_ms=2 * count, limit=1, busy=slow)
        await deliveries.settle(claimed, timestamp_ms=count, status_code=200)

    await row("add, claim and settle one of another receiver", call)
    await row("when is the next due, those aside", lambda: deliveries.next_ms(busy=slow))


async def bench_recordings(folder: Path, mib: int) -> None:
    """Print what a long recording costs in time and memory."""
    recordings = Recordings(folder / "takes", workers=Workers({FILES_POOL: 4, CODEC_POOL: 2}))
    take_id = Ids().new(Kind.TAKE)
    noise = np.random.default_rng(1).normal(0, 3000, MIB // 2)
    second = np.convolve(noise, np.ones(8) / 8, "same").astype("<i2").tobytes()
    print(f"\nA recording of {mib} MiB, {mib * MIB / 2 / SAMPLE_RATE / 60:.1f} minutes\n")
    print("| what | s | MiB more than before |\n|---|--:|--:|")

    async def make() -> None:
        recording = await recordings.begin(take_id, SAMPLE_RATE)
        for _ in range(mib):
            await recording.append(second)
        await recording.finish()

    async def read() -> None:
        recording, offset = await recordings.find(take_id), 0
        assert recording is not None
        while data := await recording.read(offset, 64 * 1024):
            offset += len(data)

    await memory_row("made", make)
    await memory_row("read in pieces of 64 KiB", read)
    for format in COPIES:
        await memory_row(f"encoded as {format}", lambda format=format: recordings.encoded(take_id, format))


async def memory_row(name: str, call: Callable[[], Awaitable[object]]) -> None:
    """Print what a call costs in time and memory."""
    process, most = psutil.Process(), 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await anyio.sleep(0.01)

    before, start = process.memory_info().rss, time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await call()
        group.cancel_scope.cancel()
    print(f"| {name} | {time.perf_counter() - start:.2f} | {(most - before) / MIB:.1f} |", flush=True)


async def main(counts: list[int], given: str, mib: int) -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name, database_url(given, Path(name)) as url:
        async with Database(url, Workers({READ_POOL: 4, WRITE_POOL: 2})) as database:
            await database.migrate()
            store, takes, stored = SqlStore(database), Takes(), 0
            for count in sorted(counts):
                seconds = await fill(store, takes, count - stored)
                rate = (count - stored) / seconds
                print(f"\n{rate:.0f} takes a second were added, {BATCH} at once ({database.dialect})")
                stored = count
                await bench_store(store, takes, count)
            await bench_deliveries(SqlDeliveries(database), stored, 1)
            await bench_deliveries(SqlDeliveries(database), stored, 1000)
        await bench_recordings(Path(name), mib)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--takes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--url", default="")
    parser.add_argument("--mib", type=int, default=100)
    arguments = parser.parse_args()
    anyio.run(main, arguments.takes, arguments.url, arguments.mib)
