"""An engine for the xtts worker that needs neither torch nor weights: its chunks say what was asked for.

The model's `config.json` may tell it to fail: `{"fault": "..."}` at loading, `{"crash": 3}` to end the process. The
texts `refuse`, `forget`, `die` and `wait` make it fail, lose the speaker, end, and wait at the fifo `gate`.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.tts.backends.xtts_messages import Fault, Introduction, Speaker, UnknownSpeaker


class FakeEngine:
    def __init__(self, model: Path, voices: Path, script: dict[str, object]) -> None:
        self._model = model
        self._names = sorted(path.stem for path in voices.glob("*.wav")) if voices.is_dir() else []
        self._usage = script.get("gpu")

    def introduce(self) -> Introduction:
        return Introduction(
            limits=(("en", 20), ("zh-cn", 5)),
            speakers=tuple(Speaker(name, "male" if name == "bob" else "female") for name in self._names),
            device="fake",
            gpu_memory_usage=self.memory_usage(),
        )

    def memory_usage(self) -> float | None:
        return self._usage if isinstance(self._usage, float) else None

    def speak(
        self, pieces: Sequence[str], *, language: str, speaker: str, speed: float, chunk_tokens: int
    ) -> Iterator[bytes]:
        for piece in pieces:
            self._obey(piece)
            said = f"{piece}|{language}|{speaker}|{speed:g}|{chunk_tokens}".encode()
            yield said + (b";" if len(said) % 2 else b" ;")

    def _obey(self, piece: str) -> None:
        if piece.startswith("refuse"):
            raise Fault("out of memory (fake): choose another device")
        if piece.startswith("forget"):
            raise UnknownSpeaker("anna")
        if piece.startswith("die"):
            os._exit(3)
        if piece.startswith("wait"):
            (self._model / "gate").read_bytes()


def load(model: Path, voices: Path, *, device: str, threads: int) -> FakeEngine:
    script = json.loads((model / "config.json").read_text())
    if "crash" in script:
        os._exit(script["crash"])
    if "fault" in script:
        raise Fault(f"{script['fault']} on {device} with {threads}")
    return FakeEngine(model, voices, script)
