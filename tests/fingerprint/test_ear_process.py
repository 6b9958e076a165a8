import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import psutil
import pytest

from app.errors import Unavailable, WorkerLost
from app.fingerprint.ear import Batch, Listened, Turn
from app.fingerprint.ear_process import PROGRAM, TRACKS_AT_ONCE, EarProcess
from app.fingerprint.event import Matched
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.index import Index
from app.fingerprint.sound_form import SoundForm
from tests.fingerprint.fake_store import FakeStore
from tests.fingerprint.music import tune
from tests.fingerprint.stores import new_track

pytestmark = pytest.mark.anyio

RATE = 11_025
HOP = RATE // 2
SECONDS = 6.0


class Server:
    """What the process is told by: a store, and an index that follows it."""

    def __init__(self, folder):
        self.folder = folder
        self.store = FakeStore()
        self.index: Index | None = None

    async def open(self):
        self.index = Index(self.folder, origin=await self.store.origin())

    async def add(self, *tunes):
        sounds = [fingerprint(tune(number), sample_rate=RATE) for number in tunes]
        new = [new_track(number, sound=sound.to_bytes()) for number, sound in zip(tunes, sounds, strict=True)]
        kept = await self.store.add([replace(one, version=1) for one in new])
        self.index.add_all((one.track.id, sound) for one, sound in zip(kept, sounds, strict=True))
        self.index.reached(self.store.generation)
        return [one.track.id for one in kept]

    async def remove(self, track_id):
        await self.store.remove([track_id])
        self.index.remove(track_id)
        self.index.reached(self.store.generation)

    def opened(self):
        if self.index is None:
            raise Unavailable("the index is being opened")
        return self.index

    @asynccontextmanager
    async def ears(self, **options):
        process = EarProcess(self.opened, self.store, self.folder, window=3.0, hop=0.5, **options)
        async with process.running() as hear:
            yield hear


async def heard(hear, key, number):
    """Let a stream play a tune; returns the tracks that it was told of."""
    sound, told = tune(number), set()
    for start in range(0, int(SECONDS * RATE), HOP):
        frame = sound[RATE + start : RATE + start + HOP].astype("<f4").tobytes()
        (listened,) = await hear(Batch([Turn(key, SoundForm(RATE), [frame])]))
        assert listened.error is None and listened.samples == HOP
        told |= {hit.track_id for event in listened.events if isinstance(event, Matched) for hit in event.hits}
    return told


async def test_streams_are_heard_by_what_the_server_knows_now(tmp_path):
    server = Server(tmp_path)
    async with server.ears() as hear:
        turn = Turn(1, SoundForm(RATE), [bytes(4 * HOP)])
        (early,) = await hear(Batch([turn]))
        assert isinstance(early.error, Unavailable)

        await server.open()
        (first,) = await server.add(0)
        assert await heard(hear, 1, 0) == {first}
        assert await heard(hear, 2, 1) == set()

        later = await server.add(1, *range(10, 10 + 2 * TRACKS_AT_ONCE))
        assert await heard(hear, 3, 1) == {later[0]}
        server.index.merge()
        await server.remove(first)
        assert await heard(hear, 4, 0) == set()
        assert await heard(hear, 5, 1) == {later[0]}

        server.index.drop()  # until it is made anew, nothing is known
        assert await heard(hear, 6, 1) == set()


async def test_a_process_that_ends_costs_nobody_anything_but_what_was_heard_before(tmp_path):
    server = Server(tmp_path)
    await server.open()
    (track,) = await server.add(0)
    async with server.ears() as hear:
        await hear(Batch([Turn(1, SoundForm(RATE), [bytes(4 * HOP)])]))
        (worker,) = (one for one in psutil.Process().children(recursive=True) if PROGRAM in one.cmdline())
        os.kill(worker.pid, signal.SIGKILL)
        assert await heard(hear, 1, 0) == {track}


async def test_a_batch_that_ends_every_process_is_told_to_its_streams(tmp_path):
    server = Server(tmp_path)
    await server.open()
    async with server.ears(command=[sys.executable, "-m", "tests.fingerprint.deaf_program"]) as hear:
        one, gone = await hear(Batch([Turn(1, SoundForm(RATE), [bytes(8)]), Turn(2, SoundForm(RATE), [])]))
    assert isinstance(one.error, WorkerLost) and gone == Listened()


async def test_what_is_wrong_with_one_stream_is_told_as_it_was(tmp_path):
    server = Server(tmp_path)
    await server.open()
    async with server.ears() as hear:
        broken = Turn(1, SoundForm(RATE), [bytes(3)])  # half a sample, which no hearing lets through
        odd, well = await hear(
            Batch([broken, Turn(2, SoundForm(RATE), [np.full(9, np.nan, "<f4").tobytes(), bytes(8)])])
        )
    assert isinstance(odd.error, RuntimeError) and "Traceback" in str(odd.error)
    assert (well.error, well.unreadable, well.samples) == (None, 1, 2)
