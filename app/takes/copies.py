"""Copies of a finished recording in other formats, made when they are first asked for."""

from contextlib import suppress
from functools import partial
from typing import Final

import anyio

from app.audio import wav
from app.audio.encode import FileEncoder
from app.audio.format import Format
from app.errors import ChorusError, InvalidAudio
from app.runtime.workers import Workers
from app.takes.draft import Draft
from app.takes.recording import Recording
from app.tts.tape import CODEC_POOL

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
        Unavailable: the disk fails, or there is no room.
        OSError: the disk is full or fails, on the draft's side.
    """
    if not recording.duration:
        raise InvalidAudio(f"no samples to encode: {format} needs at least one", field="audio")
    encoder = FileEncoder(draft, sample_rate=recording.sample_rate, format=format)
    finished = False
    try:
        offset = wav.HEADER_BYTES
        while pcm := await recording.read(offset, SLICE_BYTES):
            await workers.run(CODEC_POOL, partial(encoder.write, pcm))
            offset += len(pcm)
        finished = True
        await workers.run(CODEC_POOL, encoder.finish)
    finally:
        if not finished:
            with anyio.CancelScope(shield=True):
                await workers.run(CODEC_POOL, lambda: _abandon(encoder))


def _abandon(encoder: FileEncoder) -> None:
    with suppress(ChorusError, OSError):  # the file has refused before, which was said
        encoder.finish()
