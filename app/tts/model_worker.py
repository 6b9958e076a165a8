"""What the programs of worker processes that hold voice models have in common: jobs, answers, and the serving of them.

A job travels as JSON. A chunk of its answer is the marks as JSON, with their length before them, and then int16 PCM at
the rate that the backend declares. A job that cannot be done is answered by a `Refusal`; what nobody foresaw ends the
process, which is replaced.
"""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any

import numpy as np

from app.audio.pcm import Samples, tame, to_bytes, to_int16
from app.audio.resample import resample
from app.errors import BackendUnavailable, ChorusError, TextTooLong, VoiceNotFound
from app.runtime.child import Channel
from app.tts.speech import Mark, MarkKind, Sound

CHUNK_SAMPLES = 120 * 1024
"""The most in one chunk: fits into the first buffer of `app.runtime.pipe`."""

_MARKS_BYTES = struct.Struct("<I")

OUT_OF_MEMORY = "it is out of memory"


class Refusal(StrEnum):
    """Why a job is not done."""

    VOICE = "voice"
    """There is no such voice."""
    BROKEN = "broken"
    """The voice's model cannot be used."""
    TOO_LONG = "too long"
    MEMORY = "memory"
    FAILED = "failed"
    """The model broke on this text."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to speak, and how."""

    text: str
    voice: str
    """As the worker names it."""
    speed: float = 1.0
    max_seconds: float = 600.0
    whole: bool = False
    """Whether nobody listens before the end."""
    marks: bool = False
    """Whether the times of words and phonemes are wanted."""

    def encode(self) -> bytes:
        """Return the bytes of a request; half surrogates survive as JSON escapes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Job":
        """Read what `encode` wrote; half surrogates, which no library takes, become question marks."""
        fields = json.loads(data)
        return cls(**{**fields, "text": fields["text"].encode("utf-8", "replace").decode()})


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of what a model has spoken, in its own time."""

    samples: Samples
    sample_rate: int
    marks: tuple[Mark, ...] = ()
    """From the beginning of this part."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a worker says of itself when it is ready."""

    voices: dict[str, Any] = field(default_factory=dict)
    """Whatever the backend wants to know of each voice, by its name."""
    broken: dict[str, str] = field(default_factory=dict)
    """Voices that cannot be used, and why."""
    problem: str | None = None
    """Why nothing can be spoken at all."""

    def encode(self) -> bytes:
        """Return its bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Introduction":
        """Read what `encode` wrote."""
        return cls(**json.loads(data))


def encode_sound(pcm: bytes, marks: tuple[Mark, ...]) -> bytes:
    """Return the bytes of a chunk."""
    packed = json.dumps([(mark.kind, mark.text, mark.start, mark.end) for mark in marks]).encode() if marks else b""
    return _MARKS_BYTES.pack(len(packed)) + packed + pcm


def decode_sound(chunk: bytes) -> Sound:
    """Read what `encode_sound` wrote."""
    start = _MARKS_BYTES.size
    end = start + _MARKS_BYTES.unpack_from(chunk)[0]
    packed = json.loads(chunk[start:end]) if end > start else ()
    marks = tuple(Mark(MarkKind(kind), text, begin, stop) for kind, text, begin, stop in packed)
    return Sound(chunk[end:], marks)


def encode_refusal(refusal: Refusal, reason: str) -> bytes:
    """Return the bytes of an answer that says no."""
    return json.dumps([refusal, reason]).encode()


def decode_refusal(answer: bytes) -> tuple[Refusal, str]:
    """Read what `encode_refusal` wrote."""
    refusal, reason = json.loads(answer)
    return Refusal(refusal), reason


def serve(channel: Channel, speak: Callable[[Job], Iterator[Part]], *, sample_rate: int) -> None:
    """Answer jobs until the server has gone.

    `speak` raises VoiceNotFound, BackendUnavailable for a model that cannot be used, WorkerFailed for one that broke
    on the text, and MemoryError.
    """
    for request in channel.requests():
        job = Job.decode(request)
        try:
            for pcm, marks in finish(speak(job), job, sample_rate=sample_rate):
                channel.chunk(encode_sound(pcm, marks))
        except ChorusError as error:
            channel.error(_refusal(error))
        except MemoryError as error:
            channel.error(encode_refusal(Refusal.MEMORY, f"{OUT_OF_MEMORY} ({brief(error)})"))
        else:
            channel.end()


def _refusal(error: ChorusError) -> bytes:
    match error:
        case VoiceNotFound():
            return encode_refusal(Refusal.VOICE, str(error))
        case TextTooLong():
            return encode_refusal(Refusal.TOO_LONG, str(error))
        case BackendUnavailable():
            return encode_refusal(Refusal.BROKEN, error.reason)
        case _:
            return encode_refusal(Refusal.FAILED, str(error))


def finish(parts: Iterator[Part], job: Job, *, sample_rate: int) -> Iterator[tuple[bytes, tuple[Mark, ...]]]:
    """Bring parts to `sample_rate`, as int16 PCM of `CHUNK_SAMPLES` at most.

    Raises:
        TextTooLong: there is more than `max_seconds`.
    """
    spoken = 0
    for part in parts:
        start = spoken / sample_rate
        whole = np.atleast_1d(tame(part.samples))
        samples: Samples = resample(whole, from_rate=part.sample_rate, to_rate=sample_rate)
        pcm = to_bytes(to_int16(samples))
        spoken += len(samples)
        if spoken > job.max_seconds * sample_rate:
            limit = int(job.max_seconds)
            message = f"text of {len(job.text)} characters makes more than {limit} seconds of speech"
            raise TextTooLong(message, length=limit + 1, limit=limit, unit="seconds")
        marks = tuple(_moved(mark, start) for mark in part.marks)
        for begin in range(0, len(pcm), 2 * CHUNK_SAMPLES):
            yield pcm[begin : begin + 2 * CHUNK_SAMPLES], () if begin else marks


@contextmanager
def onnx_errors(failure: Callable[[str], ChorusError], *others: type[Exception]) -> Iterator[None]:
    """Turn what onnxruntime raises, and `others`, into `failure` of their words.

    Its errors have no class in common but `Exception`; a lack of memory, which they tell in words only, becomes
    MemoryError.
    """
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = tuple(each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception))
    try:
        yield
    except (*own, *others) as error:
        if any(words in str(error).lower() for words in ("bad_alloc", "bad allocation", "allocate memory")):
            raise MemoryError(brief(error)) from error
        raise failure(brief(error)) from error


def explain_import(package: str) -> str | None:
    """Import a package; tell why that cannot be done."""
    try:
        import_module(package)
    except MemoryError as error:
        return f"{OUT_OF_MEMORY} ({brief(error)})"
    except ImportError as error:
        reason = brief(error)
        if any(words in reason for words in ("failed to map segment", "annot allocate memory")):
            return f"{OUT_OF_MEMORY} ({reason})"
        return f"the package {package} cannot be imported ({reason})"
    return None


def brief(error: BaseException) -> str:
    """Return the first line of what an error says, or its name."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def _moved(mark: Mark, seconds: float) -> Mark:
    return Mark(mark.kind, mark.text, round(seconds + mark.start, 4), round(seconds + mark.end, 4))
