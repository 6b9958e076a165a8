import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.tts.backends import xtts_worker
from app.tts.backends.xtts_messages import (
    NO_SUCH_VOICE,
    Continue,
    Fault,
    Introduction,
    Start,
    UnknownSpeaker,
    decode_chunk,
    encode,
)
from app.tts.backends.xtts_worker import Narrator, load


class FakeChannel:
    def __init__(self, *requests: bytes) -> None:
        self._requests = requests
        self.answers: list[tuple[str, bytes]] = []

    def requests(self) -> tuple[bytes, ...]:
        return self._requests

    def ready(self, introduction: bytes) -> None:
        self.answers.append(("ready", introduction))

    def chunk(self, *parts: bytes) -> None:
        self.answers.append(("chunk", decode_chunk(b"".join(parts))[1]))

    def end(self) -> None:
        self.answers.append(("end", b""))

    def error(self, answer: bytes) -> None:
        self.answers.append(("error", answer))


class FakeEngine:
    """Speaks each piece as a chunk, or fails at it; notes which speeches were let go of."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    def introduce(self) -> Introduction:
        return Introduction(device="fake")

    def memory_usage(self) -> float | None:
        return 0.5

    def speak(self, pieces: tuple[str, ...], *, language: str, speaker: str, **_: float) -> Iterator[bytes]:
        try:
            for piece in pieces:
                if piece == "fault":
                    raise Fault("no")
                if piece == "unknown":
                    raise UnknownSpeaker(speaker)
                yield piece.encode()
        finally:
            self.closed.append(pieces[0])


def start(speech: int, *pieces: str) -> Start:
    return Start(speech, pieces, language="en", speaker="anna", speed=1.0, chunk_tokens=20)


def answer(*requests: Start | Continue) -> tuple[FakeEngine, list[tuple[str, bytes]]]:
    engine, channel = FakeEngine(), FakeChannel()
    narrator = Narrator(engine)  # type: ignore[arg-type]
    for request in requests:
        narrator.answer(request, channel)  # type: ignore[arg-type]
    return engine, channel.answers


def test_speech_is_pulled_chunk_by_chunk_until_an_answer_without_one() -> None:
    engine, answers = answer(start(1, "a", "b"), Continue(1), Continue(1))
    assert answers == [("chunk", b"a"), ("end", b""), ("chunk", b"b"), ("end", b""), ("end", b"")]
    assert engine.closed == ["a"]


def test_next_speech_drops_the_one_before() -> None:
    engine, answers = answer(start(1, "a", "b"), start(2, "c"), Continue(1))
    assert engine.closed == ["a", "c"]
    assert answers[-1] == ("error", b"speech 1 was dropped")


def test_fault_is_told_and_ends_the_speech() -> None:
    _, answers = answer(start(1, "a", "fault"), Continue(1), Continue(1))
    assert answers[2:] == [("error", b"no"), ("error", b"speech 1 was dropped")]


def test_unknown_speaker_has_an_answer_of_its_own() -> None:
    _, answers = answer(start(1, "unknown"))
    assert answers == [("error", NO_SUCH_VOICE)]


def test_missing_package_is_a_fault_that_says_what_to_do() -> None:
    with pytest.raises(Fault, match="install the extra `xtts`"):
        load("no_such_module", "model", "voices", "auto", "0")


def test_program_introduces_itself_and_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xtts_worker, "load", lambda *arguments: FakeEngine())
    channel = FakeChannel(encode(start(1, "a")), encode(Continue(1)))
    xtts_worker.program(channel)  # type: ignore[arg-type]
    assert channel.answers[0] == ("ready", Introduction(device="fake").encode())
    assert [kind for kind, _ in channel.answers] == ["ready", "chunk", "end", "end"]


def test_program_without_a_model_lives_on_and_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["xtts_worker", "no_such_module", "model", "voices", "auto", "0"])
    channel = FakeChannel(encode(start(1, "a")))
    xtts_worker.program(channel)  # type: ignore[arg-type]
    (_, introduction), (kind, refusal) = channel.answers
    trouble = Introduction.decode(introduction).trouble
    assert kind == "error"
    assert trouble is not None
    assert refusal == trouble.encode()


def test_server_imports_no_torch() -> None:
    heavy = "{'torch', 'TTS', 'soundfile', 'transformers'}"
    code = f"import sys, app.services, app.tts.backends.xtts; print({heavy} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
