"""The program of an xtts worker process: one model, one speech at a time, pulled chunk by chunk.

    python -m app.tts.backends.xtts_worker ENGINE MODEL VOICES DEVICE THREADS

ENGINE is the module that loads the model (`app.tts.backends.xtts_engine`). It is imported here and nowhere else,
because it brings torch and coqui-tts, which the server itself never needs. A model that cannot be loaded does not end
the process: restarts would only repeat it, so the worker says why in its introduction and refuses every request.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from app.runtime.child import Channel, run
from app.tts.backends.xtts_messages import (
    NO_SUCH_VOICE,
    Continue,
    Fault,
    Introduction,
    Start,
    UnknownSpeaker,
    decode,
    encode_memory,
)

INSTALL = "install the extra `xtts` (see the README) and restart the server"
MAX_REQUEST_BYTES = 8 * 1024 * 1024


class Engine(Protocol):
    """A loaded model."""

    def introduce(self) -> Introduction:
        """Tell what it is able to do."""

    def memory_usage(self) -> float | None:
        """Return the fraction of the GPU's memory in use, None without a GPU."""

    def speak(
        self, pieces: Sequence[str], *, language: str, speaker: str, speed: float, chunk_tokens: int
    ) -> Iterator[bytes]:
        """Yield int16 PCM; closing the iterator frees what it holds.

        Raises:
            UnknownSpeaker: the speaker is not there.
            Fault: this speech cannot be made.
        """


class Narrator:
    """An engine, and the speech that it is in the middle of."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._speech: int | None = None
        self._sounds: Iterator[bytes] = iter(())

    def answer(self, request: Start | Continue, channel: Channel) -> None:
        """Make one chunk, or say in the channel why not."""
        try:
            pcm = self._next(request)
        except UnknownSpeaker:
            self._drop()
            channel.error(NO_SUCH_VOICE)
        except Fault as fault:
            self._drop()
            channel.error(str(fault).encode())
        else:
            if pcm is None:
                self._drop()
            else:
                channel.chunk(encode_memory(self._engine.memory_usage()), pcm)
            channel.end()

    def _next(self, request: Start | Continue) -> bytes | None:
        if isinstance(request, Start):
            self._drop()
            self._speech = request.speech
            self._sounds = self._engine.speak(
                request.pieces,
                language=request.language,
                speaker=request.speaker,
                speed=request.speed,
                chunk_tokens=request.chunk_tokens,
            )
        elif request.speech != self._speech:
            raise Fault(f"speech {request.speech} was dropped")
        return next(self._sounds, None)

    def _drop(self) -> None:
        """Let go of the speech, and of the memory of the device that it holds."""
        self._speech, self._sounds = None, iter(())


def load(engine: str, model: str, voices: str, device: str, threads: str) -> Engine:
    """Import the engine's module and load the model.

    Raises:
        Fault: a package is missing or broken, or the model is.
    """
    try:
        module = import_module(engine)
    except (ImportError, OSError, RuntimeError) as error:  # torch and torchaudio of different builds: all three
        first_line = str(error).strip().partition("\n")[0]
        raise Fault(f"coqui-tts cannot be imported ({first_line}): {INSTALL}") from error
    loaded: Engine = module.load(Path(model), Path(voices), device=device, threads=int(threads))
    return loaded


def program(channel: Channel) -> None:
    """Serve requests until the server has gone."""
    try:
        engine = load(*sys.argv[1:])
    except Fault as fault:
        refuse(str(fault), channel)
        return
    narrator = Narrator(engine)
    channel.ready(engine.introduce().encode())
    for request in channel.requests():
        narrator.answer(decode(request), channel)


def refuse(trouble: str, channel: Channel) -> None:
    """Say why nothing can be spoken, again and again."""
    channel.ready(Introduction(trouble).encode())
    for _ in channel.requests():
        channel.error(trouble.encode())


if __name__ == "__main__":
    run(program, max_frame_bytes=MAX_REQUEST_BYTES)
