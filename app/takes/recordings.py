"""The audio of all takes, on disk: being made, finished, and copied into other formats.

How the folder stays within its bounds is the part of `app.takes.shelf`. Here it is used from one event loop: files are
touched in the pool `files` alone, and who wants what another is just making waits for it.
"""

import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import anyio

from app.audio import wav
from app.audio.format import Format
from app.errors import InvalidAudio, InvalidInput, NotFound, Unavailable
from app.runtime.workers import FILES_POOL, Workers
from app.takes import copies
from app.takes.draft import Draft, OpenFile
from app.takes.ids import Kind, is_id
from app.takes.recording import Recording
from app.takes.shelf import Shelf

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

COPIES: Final = (Format.MP3, Format.FLAC, Format.M4A, Format.WEBM)
"""Formats beside wav that a recording may be asked for in."""

UNKNOWN_SECONDS: Final = 600.0
"""A recording that was finished so long ago, and whose take nobody knows, has none."""

BATCH: Final = 1000
"""Ids that are looked up at once."""


@dataclass(slots=True)
class _Turn:
    """Who makes a copy, and how many wait for it."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    users: int = 0


class Recordings:
    """Recordings by take. Belongs to one event loop.

    Every method raises `Unavailable` where the disk refuses, and is cancelled as `Workers.run`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: Workers,
        max_bytes: int = 0,
        max_age: float = 0.0,
        max_data_bytes: int = wav.MAX_DATA_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Name a folder; it is made when something is put.

        Args:
            folder: of this server alone.
            workers: has the pools `files` and `codec`.
            max_bytes: of all files together, copies too; 0 for no limit.
            max_age: seconds after which finished recordings are removed; 0 for never.
            max_data_bytes: of the samples of one recording, at most what a wav can hold (4 GB).
            clock: seconds since the epoch, as file times are.
        """
        self._shelf = Shelf(folder, max_bytes=max_bytes, max_age=max_age, clock=clock)
        self._workers = workers
        self._max_data_bytes = min(max_data_bytes, wav.MAX_DATA_BYTES)
        self._clock = clock
        self._growing: dict[str, Recording] = {}
        self._turns: dict[tuple[str, Format], _Turn] = {}

    @property
    def size_bytes(self) -> int:
        """What all files take on disk; finished ones are counted from the first sweep on."""
        return self._shelf.size_bytes

    async def begin(self, take_id: str, sample_rate: int) -> Recording:
        """Begin the recording of a take; from now on it can be found and read.

        Raises:
            ValueError: it is being made already, or this is no id.
            Unavailable: the disk refuses, or recordings that are being made take all that there may be.
        """
        if take_id in self._growing or not is_id(take_id, Kind.TAKE):
            raise ValueError(f"a recording of '{take_id}' cannot begin")
        header = wav.header(sample_rate=sample_rate, data_bytes=None)
        draft = await self._run(lambda: self._begin(take_id, header))
        self._growing[take_id] = Recording(
            draft.path,
            draft.file,
            sample_rate=sample_rate,
            size_bytes=len(header),
            workers=self._workers,
            draft=draft,
            max_data_bytes=self._max_data_bytes,
            on_end=lambda: self._growing.pop(take_id, None),
        )
        return self._growing[take_id]

    async def find(self, take_id: str) -> Recording | None:
        """Return the recording of a take, being made or finished; None if there is none.

        As long as the result is held, its bytes can be read, even if the recording is removed meanwhile.
        """
        if take_id in self._growing or not is_id(take_id, Kind.TAKE):
            return self._growing.get(take_id)
        return await self._run(lambda: self._find(take_id))

    async def encoded(self, take_id: str, format: Format) -> Path:
        """Return the file of a finished recording in a format, wav or one of `COPIES`; made when first asked for.

        Who asks while it is made waits. It stays at least a minute, if the bounds and the take's owner let it.

        Raises:
            InvalidInput: another format.
            InvalidAudio: it has no samples, of which only a wav can be.
            NotFound: there is no recording, or it is not finished, or was removed meanwhile.
            Unavailable: the disk refuses, or there is no room.
        """
        if format is not Format.WAV and format not in COPIES:
            raise InvalidInput(f"format '{format}' must be wav, {', '.join(COPIES)}", field="format")
        async with self._turn(take_id, format):
            recording = await self.find(take_id)
            if recording is None or not recording.is_finished:
                raise NotFound(f"take '{take_id}' has no finished recording")
            copy = await self._run(lambda: self._shelf.open(take_id, format))
            return self._shelf.path(take_id, format) if copy else await self._encode(recording, take_id, format)

    async def delete(self, take_id: str) -> None:
        """Remove everything of a take, and discard it if it is being made; it is done even if this is cancelled."""
        with anyio.CancelScope(shield=True):
            if (growing := self._growing.get(take_id)) is not None:
                await growing.discard()
            if is_id(take_id, Kind.TAKE):
                await self._run(lambda: self._shelf.remove(take_id))

    async def sweep(self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]] | None = None) -> None:
        """Remove what is too old, too much, or left unfinished by a server that was killed.

        With `known`, which returns those of at most `BATCH` ids that takes have, what belongs to no take goes too.
        """
        await self._run(self._shelf.sweep)
        if known is None:
            return
        finished = await self._run(lambda: self._shelf.finished_before(self._clock() - UNKNOWN_SECONDS))
        for start in range(0, len(finished), BATCH):
            batch = finished[start : start + BATCH]
            for take_id in set(batch) - set(await known(batch)):
                await self.delete(take_id)

    async def _encode(self, recording: Recording, take_id: str, format: Format) -> Path:
        draft = await self._run(lambda: self._shelf.begin(take_id, format))
        try:
            await copies.encode(recording, draft, format, workers=self._workers)
            await self._run(draft.keep)
        except OSError as error:
            raise self._refusal(error) from error
        finally:
            with anyio.CancelScope(shield=True):
                await self._run(draft.drop)
        return draft.path

    @asynccontextmanager
    async def _turn(self, take_id: str, format: Format) -> AsyncIterator[None]:
        turn = self._turns.setdefault((take_id, format), _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[take_id, format]

    async def _run(self, function: Callable[[], Result]) -> Result:
        try:
            return await self._workers.run(FILES_POOL, function)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> Unavailable:
        return Unavailable(f"the recordings in {self._shelf.folder} cannot be used: {error.strerror or error}")

    def _begin(self, take_id: str, header: bytes) -> Draft:
        draft = self._shelf.begin(take_id, Format.WAV)
        try:
            draft.write(header)
        except BaseException:
            draft.drop()
            raise
        return draft

    def _find(self, take_id: str) -> Recording | None:
        file = self._shelf.open(take_id, Format.WAV)
        if file is None:
            return None
        path, size_bytes = self._shelf.path(take_id, Format.WAV), os.fstat(file.number).st_size
        sample_rate = _sample_rate(file, size_bytes)
        if sample_rate is None:
            logger.warning("a damaged recording is removed: %s", path.name)
            self._shelf.remove(take_id)
            return None
        return Recording(path, file, sample_rate=sample_rate, size_bytes=size_bytes, workers=self._workers)


def _sample_rate(file: OpenFile, size_bytes: int) -> int | None:
    """Return the rate in Hz of a wav of ours; None if its header is not that of a file of this size."""
    try:
        header = wav.parse_header(os.pread(file.number, wav.HEADER_BYTES, 0))
    except InvalidAudio:
        return None
    return header.sample_rate if header.data_bytes == size_bytes - wav.HEADER_BYTES else None
