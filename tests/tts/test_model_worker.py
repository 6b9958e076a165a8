"""The worker's side without any model; the backends' own tests put it behind real pipes."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BackendUnavailable, TextTooLong, VoiceNotFound, WorkerFailed
from app.tts.model_worker import (
    CHUNK_SAMPLES,
    Introduction,
    Job,
    Part,
    Refusal,
    brief,
    decode_refusal,
    decode_sound,
    encode_sound,
    finish,
    onnx_errors,
    serve,
)
from app.tts.speech import Mark, MarkKind

RATE = 8000


class FakeChannel:
    def __init__(self, *jobs: Job) -> None:
        self._jobs = jobs
        self.answers: list[tuple[str, bytes]] = []

    def requests(self) -> list[bytes]:
        return [job.encode() for job in self._jobs]

    def chunk(self, *parts: bytes) -> None:
        self.answers.append(("chunk", b"".join(parts)))

    def end(self) -> None:
        self.answers.append(("end", b""))

    def error(self, answer: bytes) -> None:
        self.answers.append(("error", answer))


def tone(count: int, *, hertz: float = 500.0, sample_rate: int = RATE) -> Part:
    samples = 0.5 * np.sin(2 * np.pi * hertz / sample_rate * np.arange(count))
    return Part(samples.astype(np.float32), sample_rate, (Mark(MarkKind.WORD, "la", 0.0, count / sample_rate),))


def hertz_of(pcm: bytes) -> float:
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2")))
    return float(np.argmax(spectrum)) * RATE / (len(pcm) // 2)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    voice=st.text(max_size=20),
    speed=st.floats(0.25, 4),
)
def test_job_survives_the_pipe(text: str, voice: str, speed: float) -> None:
    job = Job(text, voice.encode("utf-8", "replace").decode(), speed)
    assert Job.decode(job.encode()) == job


def test_half_surrogates_become_question_marks() -> None:
    assert Job.decode(Job("a\ud800b", "v").encode()).text == "a?b"


@given(pcm=st.binary(max_size=50), words=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3))
def test_sound_survives_the_pipe(pcm: bytes, words: list[str]) -> None:
    marks = tuple(Mark(MarkKind.PHONEME, word, 0.25, 0.5) for word in words)
    sound = decode_sound(encode_sound(pcm, marks))
    assert (sound.pcm, sound.marks) == (pcm, marks)


def test_introduction_survives_the_pipe() -> None:
    introduction = Introduction({"a": {"language": "zh"}}, {"b": "damaged"}, "nothing works")
    assert Introduction.decode(introduction.encode()) == introduction


def test_parts_follow_each_other_and_so_do_their_marks() -> None:
    parts = list(finish(iter([tone(800), tone(1600)]), Job("", "v"), sample_rate=RATE))
    assert [len(pcm) // 2 for pcm, _ in parts] == [800, 1600]
    assert [(mark.start, mark.end) for _, marks in parts for mark in marks] == [(0.0, 0.1), (0.1, 0.3)]


def test_another_rate_becomes_the_declared_one() -> None:
    ((pcm, _),) = finish(iter([tone(16000, sample_rate=16000)]), Job("", "v"), sample_rate=RATE)
    assert len(pcm) // 2 == RATE
    assert hertz_of(pcm) == pytest.approx(500, abs=2)


def test_long_parts_are_cut_into_chunks_that_join() -> None:
    chunks = list(finish(iter([tone(2 * CHUNK_SAMPLES + 1)]), Job("", "v"), sample_rate=RATE))
    assert [len(pcm) // 2 for pcm, _ in chunks] == [CHUNK_SAMPLES, CHUNK_SAMPLES, 1]
    assert [len(marks) for _, marks in chunks] == [1, 0, 0]


def test_what_is_no_number_is_silence() -> None:
    broken = Part(np.array([np.nan, np.inf, -np.inf], np.float32), RATE)
    ((pcm, _),) = finish(iter([broken]), Job("", "v"), sample_rate=RATE)
    assert np.frombuffer(pcm, "<i2").tolist() == [0, 32767, -32768]


def test_speech_beyond_the_bound_is_too_long() -> None:
    with pytest.raises(TextTooLong, match="4 characters makes more than 1 seconds"):
        list(finish(iter([tone(RATE), tone(1)]), Job("long", "v", max_seconds=1), sample_rate=RATE))


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (VoiceNotFound("v"), Refusal.VOICE),
        (BackendUnavailable("b", reason="damaged"), Refusal.BROKEN),
        (TextTooLong("long", length=2, limit=1), Refusal.TOO_LONG),
        (MemoryError("no room"), Refusal.MEMORY),
        (WorkerFailed("broke"), Refusal.FAILED),
    ],
)
def test_trouble_is_an_answer_and_the_next_job_is_done(error: Exception, refusal: Refusal) -> None:
    def speak(job: Job) -> Iterator[Part]:
        if job.text == "bad":
            raise error
        yield tone(10)

    channel = FakeChannel(Job("bad", "v"), Job("good", "v"))
    serve(channel, speak, sample_rate=RATE)  # type: ignore[arg-type]
    assert [kind for kind, _ in channel.answers] == ["error", "chunk", "end"]
    assert decode_refusal(channel.answers[0][1])[0] is refusal


def test_errors_of_onnxruntime_are_told_apart() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state", reason="onnxruntime is not installed")
    with pytest.raises(WorkerFailed, match="no such node"), onnx_errors(WorkerFailed):
        raise state.Fail("no such node\nand more")
    with pytest.raises(MemoryError), onnx_errors(WorkerFailed):
        raise state.RuntimeException("std::bad_alloc")
    with pytest.raises(WorkerFailed, match="KeyError"), onnx_errors(WorkerFailed, KeyError):
        raise KeyError
    with pytest.raises(KeyError), onnx_errors(WorkerFailed):
        raise KeyError


def test_brief_is_one_line() -> None:
    assert brief(ValueError("first\nsecond")) == "first"
    assert brief(ValueError()) == "ValueError"
