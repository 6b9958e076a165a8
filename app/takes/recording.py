"""The audio of one take: a wav that may still grow, and that many can read while it does.

A wav that is being made has a header of unknown length (`app.audio.wav`); when it is finished it has its exact one, of
the same 44 bytes, so that whoever began to read before goes on reading at the same place.
"""

import os
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Final

import anyio

from app.audio import wav
from app.audio.pcm import SAMPLE_BYTES
from app.errors import InvalidAudio, NotFound, Unavailable
from app.runtime.workers import FILES_POOL, Workers
from app.takes.draft import Draft, OpenFile

MAX_READ_BYTES: Final = 1024 * 1024
"""What one read returns at most, so that nobody holds more than that of a long take."""


class _State(Enum):
    MAKING = auto()
    FINISHED = auto()
    DISCARDED = auto()


class Recording:
    """A take's wav, open as long as anybody has this object. Belongs to one event loop; files are touched in the pool.

    One task makes it: appends, then finishes or discards. Any number read, each as far as it likes.
    """

    def __init__(
        self,
        path: Path,
        file: OpenFile,
        *,
        sample_rate: int,
        size_bytes: int,
        workers: Workers,
        draft: Draft | None = None,
        max_data_bytes: int = wav.MAX_DATA_BYTES,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        """Take an open wav of `size_bytes`; with a draft it grows, and `on_end` is called when it does no more."""
        self.sample_rate = sample_rate
        """Hz."""
        self.path = path
        """Of the wav, once it is finished and as long as it is kept."""
        self._file = file
        self._size_bytes = size_bytes
        self._workers = workers
        self._draft = draft
        self._max_data_bytes = max_data_bytes
        self._on_end = on_end
        self._state = _State.MAKING if draft else _State.FINISHED
        self._turn = anyio.Lock()
        self._change = anyio.Event()

    @property
    def is_finished(self) -> bool:
        """Whether the wav is whole."""
        return self._state is _State.FINISHED

    @property
    def size_bytes(self) -> int:
        """How long the wav is by now, its header included."""
        return self._size_bytes

    @property
    def duration(self) -> int:
        """How much sound there is by now, in samples."""
        return self._data_bytes // SAMPLE_BYTES

    async def append(self, pcm: bytes) -> None:
        """Add int16 little-endian mono samples. Cancelling is safe: they are in or they are not.

        Raises:
            InvalidAudio: not whole samples, or more than a wav can hold; nothing is added.
            NotFound: it was discarded, as it is when its take is deleted.
            Unavailable: the disk is full, or all recordings together are too large; this one is discarded then.
        """
        async with self._turn:
            draft = self._check_growing()
            self._check_fits(pcm)
            await self._write(draft, lambda: draft.write(pcm))
            self._size_bytes += len(pcm)
            self._tell()

    async def finish(self) -> None:
        """Complete the wav and give it its name. Cancelling is safe: it is finished or it is not.

        Raises:
            NotFound: it was discarded, as it is when its take is deleted.
            Unavailable: the disk refuses; the recording is discarded then.
        """
        async with self._turn:
            draft = self._check_growing()
            header = wav.header(sample_rate=self.sample_rate, data_bytes=self._data_bytes)
            await self._write(draft, lambda: _complete(draft, header))
            self._end(_State.FINISHED)

    async def discard(self) -> None:
        """Leave nothing of what is not finished; else nothing happens. It is done even if this is cancelled."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                if self._draft is not None:
                    await self._drop(self._draft)

    async def read(self, offset: int, most: int) -> bytes:
        """Return bytes of the wav from `offset` on, waiting until there are some; none at its end.

        As many as there are, at most `most` and `MAX_READ_BYTES`. Cancelling is safe.

        Raises:
            NotFound: it was discarded.
            Unavailable: the disk fails.
        """
        while offset >= self._size_bytes and self._state is _State.MAKING:
            await self._change.wait()
        self._check_kept()
        wanted = min(self._size_bytes - offset, most, MAX_READ_BYTES)
        if wanted <= 0:
            return b""
        return await self._workers.run(FILES_POOL, lambda: self._read(offset, wanted))

    async def wait_finished(self) -> None:
        """Wait until the wav is whole.

        Raises:
            NotFound: it was discarded.
        """
        while self._state is _State.MAKING:
            await self._change.wait()
        self._check_kept()

    @property
    def _data_bytes(self) -> int:
        return self._size_bytes - wav.HEADER_BYTES

    def _check_growing(self) -> Draft:
        self._check_kept()
        if self._draft is None:
            raise ValueError(f"the recording of take '{self.path.stem}' is finished")
        return self._draft

    def _check_kept(self) -> None:
        if self._state is _State.DISCARDED:
            raise NotFound(f"the recording of take '{self.path.stem}' was not finished")

    def _check_fits(self, pcm: bytes) -> None:
        if len(pcm) % SAMPLE_BYTES:
            raise InvalidAudio(f"pcm has {len(pcm)} bytes: an int16 sample takes 2", field="audio")
        if (data_bytes := self._data_bytes + len(pcm)) > self._max_data_bytes:
            raise InvalidAudio(f"{data_bytes} bytes of samples, a wav holds {self._max_data_bytes}", field="audio")

    async def _write(self, draft: Draft, function: Callable[[], object]) -> None:
        try:
            await self._workers.run(FILES_POOL, function)
        except (OSError, Unavailable) as error:
            with anyio.CancelScope(shield=True):
                await self._drop(draft)
            if isinstance(error, Unavailable):
                raise
            raise Unavailable(f"the recording {self.path.name} cannot be written: {error.strerror}") from error

    async def _drop(self, draft: Draft) -> None:
        self._end(_State.DISCARDED)
        await self._workers.run(FILES_POOL, draft.drop)

    def _end(self, state: _State) -> None:
        self._state = state
        self._draft = None
        self._tell()
        self._on_end()

    def _tell(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    def _read(self, offset: int, wanted: int) -> bytes:
        try:
            data = os.pread(self._file.number, wanted, offset)
        except OSError as error:
            raise Unavailable(f"the recording {self.path.name} cannot be read: {error.strerror}") from error
        if len(data) < wanted:
            self._check_kept()
            raise Unavailable(f"the recording {self.path.name} ends before its {self._size_bytes} bytes")
        return data


def _complete(draft: Draft, header: bytes) -> None:
    draft.seek(0)
    draft.write(header)
    draft.keep()
