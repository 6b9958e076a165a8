"""Real processes and pipes, with a program that has no model."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import BackendUnavailable, DeadlineExceeded, TextTooLong, VoiceNotFound, WorkerFailed, WorkerLost
from app.tts.model_processes import ModelProcesses, fingerprint
from app.tts.model_worker import Job
from app.tts.speech import Mark, MarkKind, Sound

pytestmark = pytest.mark.anyio


def make(*arguments: str, **changes: Any) -> ModelProcesses:
    settings: dict[str, Any] = {"job_timeout": 30.0, "grace": 5.0, "start_timeout": 30.0, "memory_bytes": None}
    program = ("tests.tts.model_program", *arguments)
    return ModelProcesses("fake", program, workers=1, advice="ask someone", **{**settings, **changes})


@pytest.fixture
async def processes() -> AsyncIterator[ModelProcesses]:
    async with make() as started:
        yield started


async def speak(processes: ModelProcesses, text: str, voice: str = "a", *, max_seconds: float = 600.0) -> list[Sound]:
    job = Job(text, voice, max_seconds=max_seconds)
    return [sound async for sound in processes.speak(job, f"voice {voice}")]


async def test_speech_comes_with_its_marks(processes: ModelProcesses) -> None:
    (sound,) = await speak(processes, "hello")
    assert set(np.frombuffer(sound.pcm, "<i2")) == {16384}
    assert sound.marks == (Mark(MarkKind.WORD, "hello", 0.0, 0.1),)


async def test_voices_are_those_that_are_not_broken(processes: ModelProcesses) -> None:
    assert processes.voices == {"a": {"language": "en"}, "b": {"language": "zh"}}
    assert processes.broken == {"c": "old"}
    assert processes.problem is None


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("strange", VoiceNotFound, "'voice a'"),
        ("large", BackendUnavailable, "it is out of memory .*: ask someone"),
        ("odd", WorkerFailed, "no phoneme for it"),
        ("deadly", WorkerLost, "ended with status 3"),
    ],
)
async def test_trouble_of_one_job_is_told_and_the_next_is_done(
    processes: ModelProcesses, text: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await speak(processes, text)
    assert await speak(processes, "hello")
    assert processes.problem is None


async def test_broken_voice_is_left_out_from_then_on(processes: ModelProcesses) -> None:
    with pytest.raises(VoiceNotFound):
        await speak(processes, "damaged", "b")
    assert list(processes.voices) == ["a"]
    with pytest.raises(VoiceNotFound):
        await speak(processes, "damaged", "a")
    assert processes.problem is not None
    assert "a is broken (its model is damaged)" in processes.problem
    assert processes.problem.endswith(": ask someone")


async def test_speech_without_end_is_too_long(processes: ModelProcesses) -> None:
    with pytest.raises(TextTooLong, match="more than 3 seconds") as caught:
        await speak(processes, "endless", max_seconds=3)
    assert (caught.value.limit, caught.value.unit) == (3, "seconds")
    assert await speak(processes, "hello")


async def test_job_that_comes_to_no_end_is_given_up() -> None:
    async with make(job_timeout=0.3) as processes:
        with pytest.raises(DeadlineExceeded):
            await speak(processes, "endless", max_seconds=1e9)


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("dying", "no fake worker starts, .*no room for anything.*; ask someone"),
        ("useless", "the package fake cannot be imported: ask someone"),
        ("broken", r"a is broken \(half of it is missing\): ask someone"),
    ],
)
async def test_worker_that_cannot_speak_says_why(argument: str, problem: str) -> None:
    async with make(argument) as processes:
        assert processes.problem is not None
        assert processes.voices == {}
        with pytest.raises(BackendUnavailable, match=problem):
            raise BackendUnavailable("fake", reason=processes.problem)


async def test_nothing_is_spoken_while_no_worker_starts() -> None:
    async with make("dying", memory_bytes=1024**3) as processes:
        with pytest.raises(BackendUnavailable, match="a worker may take 1024 MiB, give it more"):
            await speak(processes, "hello")


async def test_secrets_stay_out_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_SECRET", "do not tell")
    monkeypatch.setenv("ONNX_PROVIDER", "CPUExecutionProvider")
    environment = make()._processes._program.environment
    assert environment is not None
    assert "AUTH_SECRET" not in environment
    assert environment["ONNX_PROVIDER"] == "CPUExecutionProvider"


async def test_fingerprint_changes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"one")
    first = fingerprint(tmp_path / "model")
    (tmp_path / "model").write_bytes(b"two or more")
    assert fingerprint(tmp_path / "model") != first
