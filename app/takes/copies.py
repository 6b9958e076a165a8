"""Copies of a finished recording in other formats, made when they are first asked for."""

from functools import partial
from typing import Final

import anyio

from app.audio import wav
from app.audio.encode import FileEncoder
from app.audio.format import Format
from app.errors import InvalidAudio, Unavailable
from app.runtime.workers import CODEC_POOL, Workers
from app.takes.draft import Draft
from app.takes.recording import Recording

SLICE_BYTES: Final = 256 * 1024
"""What is encoded at once, some 3 s of speech: 20 ms in which the codec's thread serves nobody else."""


async def encode(recording: Recording, draft: Draft, format: Format, *, workers: Workers) -> None:
    """Encode a finished recording into a draft, whatever its length in the same memory.

    Slices go through the pool of codecs one at a time, so that live speech gets its turn between them. They are written
    to the draft there: a codec seeks in its file when it likes, and the system's cache makes it a copy in memory.
    Cancelling stops after the slice; the draft is then good for nothing.

    Raises:
        InvalidAudio: there are no samples.
        NotFound: the recording was discarded.
        Unavailable: the disk fails in reading, or there is no room.
        OSError: the disk is full or fails in writing.
    """
    if not recording.duration:
        raise InvalidAudio(f"no samples to encode: {format} needs at least one", field="audio")
    sink = _Sink(draft)
    encoder = FileEncoder(sink, sample_rate=recording.sample_rate, format=format)
    try:
        offset = wav.HEADER_BYTES
        while pcm := await recording.read(offset, SLICE_BYTES):
            await workers.run(CODEC_POOL, partial(encoder.write, pcm))
            sink.check()
            offset += len(pcm)
    finally:
        with anyio.CancelScope(shield=True):  # an encoder is finished even if nobody wants the file any more
            await workers.run(CODEC_POOL, encoder.finish)
    sink.check()


class _Sink:
    """A draft that notes the first refusal and from then on forgets what is written.

    FFmpeg goes on writing to a file that has failed, and ends in errors of its own.
    """

    def __init__(self, draft: Draft) -> None:
        self.seek = draft.seek
        self.tell = draft.tell
        self._draft = draft
        self._error: Exception | None = None

    def write(self, data: bytes, /) -> int:
        if self._error is None:
            try:
                return self._draft.write(data)
            except (OSError, Unavailable) as error:
                self._error = error
        return len(data)

    def check(self) -> None:
        if self._error is not None:
            raise self._error
