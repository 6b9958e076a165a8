"""The program of an espeak-ng worker process, and the bytes that its jobs and answers are made of.

    python -m app.tts.backends.espeak_worker LIBRARY DATA [VOICE...]

It says a word with each VOICE before it is ready, because the first use of a language reads its dictionary. It is
ready with a line for each voice and variant (`describe`). A job is a `Job`, the answer int16 PCM; where marks are
wanted, their records go before the PCM of each chunk (`espeak_marker`). Only light modules of the standard library are
imported, for the sake of the worker's memory and of the time of its restart.
"""

import struct
import sys

from app.runtime.child import Channel, run
from app.tts.backends.espeak_engine import Engine
from app.tts.backends.espeak_marker import LENGTH, Marker

NO_SUCH_VOICE = b"no such voice"
TOO_LONG = b"too long"
"""Answers to a job that is refused."""

STREAM_BUFFER_MS = 60
WHOLE_BUFFER_MS = 1000
"""Fewer calls from C into Python, and the same sound."""
LARGEST_CHUNK_BYTES = 240 * 1024
"""5.6 s: fits into the first buffer of `app.runtime.pipe`, and four times into a pipe."""
WARM_TEXT = "一 one".encode()


class Job:
    """What to speak, and how; see `Engine.set_prosody` for the ranges. Voice and variant are espeak's identifiers."""

    _HEADER = struct.Struct("<HBBBBBIBB")
    __slots__ = (
        "marks",
        "max_samples",
        "pitch",
        "pitch_range",
        "text",
        "variant",
        "voice",
        "volume",
        "whole",
        "words_per_minute",
    )

    def __init__(
        self,
        text: str,
        *,
        voice: str,
        variant: str = "",
        words_per_minute: int,
        pitch: int = 50,
        pitch_range: int = 50,
        volume: int = 100,
        whole: bool,
        marks: bool = False,
        max_samples: int,
    ) -> None:
        self.text = text
        self.voice = voice
        self.variant = variant
        self.words_per_minute = words_per_minute
        self.pitch = pitch
        self.pitch_range = pitch_range
        self.volume = volume
        self.whole = whole
        self.marks = marks
        self.max_samples = max_samples

    def encode(self) -> bytes:
        """Return the bytes of a request; half surrogates, which no UTF-8 has, become question marks."""
        voice, variant = self.voice.encode(), self.variant.encode()
        header = self._HEADER.pack(
            self.words_per_minute,
            self.pitch,
            self.pitch_range,
            self.volume,
            self.whole,
            self.marks,
            self.max_samples,
            len(voice),
            len(variant),
        )
        return header + voice + variant + self.text.encode("utf-8", "replace")

    @classmethod
    def decode(cls, data: bytes) -> "Job":
        """Read what `encode` wrote."""
        rate, pitch, pitch_range, volume, whole, marks, max_samples, *lengths = cls._HEADER.unpack_from(data)
        voice_end = cls._HEADER.size + lengths[0]
        variant_end = voice_end + lengths[1]
        return cls(
            data[variant_end:].decode(),
            voice=data[cls._HEADER.size : voice_end].decode(),
            variant=data[voice_end:variant_end].decode(),
            words_per_minute=rate,
            pitch=pitch,
            pitch_range=pitch_range,
            volume=volume,
            whole=bool(whole),
            marks=bool(marks),
            max_samples=max_samples,
        )


class Outlet:
    """Gathers the engine's small buffers into few chunks: the first at once if `hurry`, then ever larger ones."""

    def __init__(self, channel: Channel, *, hurry: bool, max_bytes: int, marker: Marker | None = None) -> None:
        self._channel = channel
        self._marker = marker
        self._max_bytes = max_bytes
        self._enough_bytes = 1 if hurry else LARGEST_CHUNK_BYTES
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._total_bytes = 0
        self.overflowed = False

    def hear(self, pcm: bytes) -> bool:
        """Take a buffer; False, and nothing more is taken, once the whole is longer than `max_bytes`."""
        self._total_bytes += len(pcm)
        self.overflowed = self._total_bytes > self._max_bytes
        if self.overflowed:
            return False
        self._parts.append(pcm)
        self._held_bytes += len(pcm)
        if self._held_bytes >= self._enough_bytes:
            self._enough_bytes = min(2 * self._held_bytes, LARGEST_CHUNK_BYTES)
            self.flush()
        return True

    def flush(self) -> None:
        """Send what is held, and the records that are ready."""
        marks = self._marker.take() if self._marker else b""
        if self._parts or marks:
            before = (LENGTH.pack(len(marks)), marks) if self._marker else ()
            self._channel.chunk(*before, *self._parts)
            self._parts, self._held_bytes = [], 0

    def finish(self) -> None:
        """Send all that is left."""
        if self._marker:
            self._marker.finish(self._total_bytes // 2)
        self.flush()


class Speaker:
    """An engine that knows which voice it has on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._voices = {identifier for identifier, *_ in engine.voices()}
        self._variants = {identifier.removeprefix("!v/") for identifier, *_ in engine.variants()} | {""}
        self._voice = ""

    def answer(self, job: Job, channel: Channel) -> None:
        """Speak the job's text into the channel, or say there why not."""
        if job.voice not in self._voices or job.variant not in self._variants:
            channel.error(NO_SUCH_VOICE)
            return
        self._put_on(f"{job.voice}+{job.variant}" if job.variant else job.voice)
        self._engine.set_prosody(
            words_per_minute=job.words_per_minute,
            pitch=job.pitch,
            pitch_range=job.pitch_range,
            volume=job.volume,
        )
        marker = Marker() if job.marks else None
        outlet = Outlet(channel, hurry=not job.whole, max_bytes=2 * job.max_samples, marker=marker)
        self._engine.speak(
            job.text.encode(),
            outlet.hear,
            buffer_ms=WHOLE_BUFFER_MS if job.whole else STREAM_BUFFER_MS,
            notice=marker.notice if marker else None,
        )
        if outlet.overflowed:
            self._voice = ""  # a speech that was cut off leaves nothing behind in a voice put on anew
            channel.error(TOO_LONG)
        else:
            outlet.finish()
            channel.end()

    def _put_on(self, voice: str) -> None:
        """Set the voice if it is another one than before: that reads its file, a tenth of a short speech's time."""
        if voice != self._voice:
            self._engine.set_voice(voice)
            self._voice = voice


def warm_up(engine: Engine, voice: str) -> None:
    """Let the engine read what it needs for this voice."""
    if engine.set_voice(voice):
        engine.speak(WARM_TEXT, lambda pcm: True, buffer_ms=WHOLE_BUFFER_MS)
    else:
        print(f"no voice {voice} to warm up", file=sys.stderr)


def describe(engine: Engine) -> bytes:
    """Return a line per voice, then per variant: identifier, name, languages with priorities, gender, by tabs."""
    lines = []
    for identifier, name, languages, gender in (*engine.voices(), *engine.variants()):
        tags = ",".join(f"{priority} {language}" for priority, language in languages)
        lines.append("\t".join((identifier, name, tags, gender)))
    return "\n".join(lines).encode()


def program(channel: Channel) -> None:
    """Serve jobs until the server has gone."""
    library, data, *warm = sys.argv[1:]
    engine = Engine(library, data)
    speaker = Speaker(engine)
    for voice in warm:
        warm_up(engine, voice)
    channel.ready(describe(engine))
    for request in channel.requests():
        speaker.answer(Job.decode(request), channel)


if __name__ == "__main__":
    run(program)
