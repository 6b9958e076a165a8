"""The sound of files in the form of calls, decoded once for all who listen.

Rules of this file:

1. What is short, as announcements and music for those who wait are, is decoded once and kept, as long as there is room.
2. What is longer than `KEPT_SECONDS` is decoded by each listener for himself, as he goes on, and never whole in memory.
   How long it is shows when it is decoded so far; of files larger than a CD of that length, it is not tried.
3. Decoding blocks, so it is done in threads, a portion at a time.

The files are the operator's own, so they are decoded in this process; formats that refer to other files are not read.
"""

import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import anyio

from app.audio.pcm import Samples, to_bytes, to_int16
from app.audio.sound_file import SoundFile
from app.calls.audio_files import AudioFile
from app.calls.call import CallForm
from app.calls.frames import Frames
from app.runtime.workers import CODEC_POOL, Workers

KEPT_SECONDS: Final = 120.0
CD_BYTES_PER_SECOND: Final = 44_100 * 2 * 2
SPARE_BYTES: Final = 1024 * 1024
"""For what a file has besides its sound: a picture."""
KEPT_BYTES: Final = 32 * 1024 * 1024
"""Of all that is kept: 17 minutes at 16 kHz."""
MAX_KEPT: Final = 1000
"""Sounds that are remembered, be it as too long to be kept."""
MAX_SECONDS: Final = 100 * 3600.0
"""Of one file: a bound for what never ends."""

_Key: TypeAlias = tuple[Path, int, int, int]
"""Path, time of change, size and rate."""


@dataclass(slots=True)
class _Turn:
    """Who decodes, and how many wait for it."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    users: int = 0


class Sounds:
    """All sounds that are played. Belongs to one event loop."""

    def __init__(self, workers: Workers, *, max_bytes: int = KEPT_BYTES, kept_seconds: float = KEPT_SECONDS) -> None:
        """Keep nothing yet.

        Args:
            workers: have the pool `codec`.
            max_bytes: of all that is kept.
            kept_seconds: of the longest sound that is kept.
        """
        self._workers = workers
        self._max_bytes = max_bytes
        self._kept_seconds = kept_seconds
        self._kept: OrderedDict[_Key, bytes | None] = OrderedDict()
        self._size = 0
        self._turns: dict[_Key, _Turn] = {}
        self.decodings = 0
        """How often a file was decoded since the start, or begun to be."""

    async def portions(self, file: AudioFile, form: CallForm) -> AsyncGenerator[bytes, None]:
        """Yield the sound of a file in portions of whole frames, the last one filled with silence.

        Close it (`aclosing`) if it is not taken to its end.

        Raises:
            InvalidAudio: there is no sound in it that can be decoded.
            NotFound: it is gone.
        """
        whole = await self._whole(file, form)
        if whole is not None:
            yield whole
            return
        self.decodings += 1
        sound = await self._workers.run(CODEC_POOL, partial(SoundFile, file.path, guarded=True))
        try:
            frames, blocks = Frames(form), sound.blocks(form.sample_rate, max_seconds=MAX_SECONDS)
            while (block := await self._workers.run(CODEC_POOL, partial(_next, blocks))) is not None:
                yield frames.push(block)
            yield frames.finish()
        finally:
            sound.__exit__(None, None, None)

    async def _whole(self, file: AudioFile, form: CallForm) -> bytes | None:
        """Return the whole sound, None if it is too long to be kept."""
        if file.size_bytes > self._kept_seconds * CD_BYTES_PER_SECOND + SPARE_BYTES:
            return None
        key = file.path, file.status.st_mtime_ns, file.size_bytes, form.sample_rate
        async with self._turn(key):
            if key not in self._kept:
                self.decodings += 1
                most = min(self._max_bytes, round(self._kept_seconds * form.sample_rate) * 2)
                self._keep(key, await self._workers.run_stoppable(CODEC_POOL, partial(_decode, file.path, form, most)))
            self._kept.move_to_end(key)
            return self._kept[key]

    def _keep(self, key: _Key, pcm: bytes | None) -> None:
        self._kept[key] = pcm
        self._size += len(pcm or b"")
        while self._size > self._max_bytes or len(self._kept) > MAX_KEPT:
            _, forgotten = self._kept.popitem(last=False)
            self._size -= len(forgotten or b"")

    @asynccontextmanager
    async def _turn(self, key: _Key) -> AsyncIterator[None]:
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]


def _decode(path: Path, form: CallForm, max_bytes: int, stop: threading.Event) -> bytes | None:
    """Return all frames of a file, None if they are more than `max_bytes`, or `stop` was set."""
    frames, pcm = Frames(form), bytearray()
    with SoundFile(path, guarded=True) as sound:
        for block in sound.blocks(form.sample_rate, max_seconds=MAX_SECONDS):
            pcm += frames.push(_pack(block))
            if len(pcm) > max_bytes or stop.is_set():
                return None
    pcm += frames.finish()
    return bytes(pcm)


def _next(blocks: Iterator[Samples]) -> bytes | None:
    block = next(blocks, None)
    return None if block is None else _pack(block)


def _pack(samples: Samples) -> bytes:
    return to_bytes(to_int16(samples))
