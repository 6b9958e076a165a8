"""The program of a process that reads sound files (`app.fingerprint.readers`), one after another.

python -m app.fingerprint.reader_worker
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from app.audio.pcm import Samples
from app.audio.sound_file import SoundFile, Tags
from app.errors import InvalidAudio, NotFound
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.fingerprinter import Fingerprinter
from app.fingerprint.labels import tidy
from app.fingerprint.reading import PIECE_BYTES, Facts, Kind, Wish, encode_refusal
from app.fingerprint.spectrum import SAMPLE_RATE
from app.runtime.child import Channel, run

Listen: TypeAlias = Callable[[Iterator[Samples]], Fingerprint]

NICENESS: Final = 10
"""Streams are heard now; files can wait."""


def serve(channel: Channel, listen: Listen) -> None:
    """Answer wishes until the server has gone."""
    for request in channel.requests():
        wish = Wish.decode(request)
        try:
            with SoundFile(Path(wish.path), guarded=wish.is_guarded) as file:
                _answer(channel, wish, file, listen)
        except (NotFound, InvalidAudio) as error:
            channel.error(encode_refusal(error))
        else:
            channel.end()


def _answer(channel: Channel, wish: Wish, file: SoundFile, listen: Listen) -> None:
    blocks = file.blocks(SAMPLE_RATE, max_seconds=wish.max_seconds)
    if wish.kind is Kind.SAMPLES:
        for block in blocks:
            channel.chunk(block.tobytes())
        return
    heard = listen(blocks)
    channel.chunk(_facts(heard, file.tags, file.damage).encode())
    packed = heard.to_bytes()
    for start in range(0, len(packed), PIECE_BYTES):
        channel.chunk(packed[start : start + PIECE_BYTES])


def _facts(heard: Fingerprint, tags: Tags, damage: str | None) -> Facts:
    return Facts(
        title=tags.title and tidy(tags.title),
        artist=tags.artist and tidy(tags.artist),
        duration=heard.duration,
        version=heard.version,
        peaks=len(heard.peaks),
        damage=damage,
    )


def listen(blocks: Iterator[Samples]) -> Fingerprint:
    """Make the fingerprint of a sound, of which no more than a block is in memory."""
    fingerprinter = Fingerprinter()
    for block in blocks:
        fingerprinter.push(block)
    return fingerprinter.finish()


def program(channel: Channel) -> None:
    """Serve until the server has gone."""
    os.nice(NICENESS)
    channel.ready()
    serve(channel, listen)


if __name__ == "__main__":
    run(program)
