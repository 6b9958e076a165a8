"""The real coqui-tts with a small random model, through the whole of its loading code; it speaks noise.

CHORUS_XTTS_PYTHON may name an interpreter that has coqui-tts, where the one of the tests has not.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from app.audio import wav
from app.errors import WorkerFailed
from app.tts.backends.xtts import Xtts
from app.tts.backends.xtts_voices import LANGUAGES
from app.tts.speech import Utterance

PYTHON = os.environ.get("CHORUS_XTTS_PYTHON", sys.executable)
_PROBE = subprocess.run([PYTHON, "-c", "import importlib.util as u, sys; sys.exit(u.find_spec('TTS') is None)"])

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(_PROBE.returncode != 0, reason="coqui-tts is not installed: pip install '.[xtts]'"),
]

TEXTS = {
    "ar": "مرحبا بكم",
    "hi": "नमस्ते दोस्तों",
    "ja": "今日は配信ありがとう",
    "ko": "안녕하세요 여러분",
    "ru": "Привет всем",
    "zh-cn": "大家好，欢迎来玩",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("xtts")
    maker = Path(__file__).with_name("tiny_xtts.py")
    subprocess.run([PYTHON, "-W", "ignore", str(maker), str(made)], check=True, capture_output=True)
    (made / "voices").mkdir()
    time = np.arange(4 * 22050) / 22050
    hum = 8000 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 3 * time)
    record(made, "anna.female", hum)
    record(made, "short", hum[:2000])
    record(made, "silent", 0 * hum)
    (made / "voices" / "text.wav").write_text("This is no audio.")
    return made


@pytest.fixture(scope="module")
def model_hash(folder: Path) -> bytes:
    return hashlib.sha256((folder / "model.pth").read_bytes()).digest()


def record(folder: Path, name: str, samples: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
    data = wav.encode(samples.astype("<i2").tobytes(), sample_rate=22050)
    (folder / "voices" / f"{name}.wav").write_bytes(data)


def make(folder: Path, **options: object) -> Xtts:
    return Xtts(folder, **{"agreed": True, "device": "cpu", "python": PYTHON, "patience": 200.0, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def xtts(folder: Path, model_hash: bytes) -> AsyncIterator[Xtts]:
    backend = make(folder)
    async with backend.running():
        assert backend.health().available, backend.health().reason
        yield backend


async def speak(backend: Xtts, text: str, voice: str, *, speed: float = 1.0, whole: bool = True) -> list[bytes]:
    spoken = Utterance(text, backend.find_voice(voice), speed)
    return [sound.pcm async for sound in backend.synthesize(spoken, whole=whole)]


def rms(pcm: bytes) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(pcm, "<i2").astype(float) ** 2)))


async def test_every_language_is_spoken_and_streamed(xtts: Xtts, folder: Path) -> None:
    assert xtts.health().gpu_memory_usage is None
    spoken = {voice.id.partition("+")[0] for voice in xtts.voices()}
    assert spoken >= LANGUAGES.keys() - {"ja", "zh-cn"}  # those two need packages of their own
    for language in sorted(spoken):
        chunks = await speak(xtts, TEXTS.get(language, "2 x 3 = 6!"), f"{language}+Claribel Dervla", whole=False)
        assert len(chunks) >= 2, language
        assert rms(b"".join(chunks)) > 10, language
    assert len(await speak(xtts, "Hello everyone.", "en+Claribel Dervla")) == 2  # and the last 10 ms


async def test_files_of_the_model_are_left_as_they_are(xtts: Xtts, folder: Path, model_hash: bytes) -> None:
    assert hashlib.sha256((folder / "model.pth").read_bytes()).digest() == model_hash


async def test_recording_becomes_a_voice_whose_latents_are_kept(xtts: Xtts, folder: Path) -> None:
    assert rms((await speak(xtts, "Hello.", "en+anna"))[0]) > 10
    (kept,) = (folder / "voices").glob("anna.*.npz")
    written = kept.stat().st_mtime_ns
    await speak(xtts, "Hello.", "en+anna")
    assert kept.stat().st_mtime_ns == written


async def test_speed_changes_the_duration(xtts: Xtts) -> None:
    slow, fast = [sum(map(len, await speak(xtts, "Hello.", "en+Claribel Dervla", speed=speed))) for speed in (1.0, 2.0)]
    assert fast < 0.6 * slow  # the tiny model always makes as many tokens as it may


async def test_text_with_too_many_tokens_is_cut_again(xtts: Xtts) -> None:
    chunks = await speak(xtts, "777 " * 16, "en+Claribel Dervla")
    assert len(chunks) == 2 + 1  # and the last 10 ms


@pytest.mark.parametrize("name", ["short", "silent", "text"])
async def test_unusable_recording_is_told_and_the_next_voice_speaks(xtts: Xtts, folder: Path, name: str) -> None:
    with pytest.raises(WorkerFailed, match=rf"{name}.wav .*: replace it by 6 to 30 seconds"):
        await speak(xtts, "Hello.", f"en+{name}")
    assert await speak(xtts, "Hello.", "en+anna")


async def test_stream_that_is_closed_leaves_the_model_loaded(xtts: Xtts) -> None:
    spoken = Utterance("Hello everyone. " * 10, xtts.find_voice("en+anna"))
    async with aclosing(xtts.synthesize(spoken, whole=False)) as sounds:
        await anext(sounds)
    assert xtts.health().available
    assert await speak(xtts, "Hello.", "en+anna")


@pytest.mark.parametrize("file", ["config.json", "model.pth", "vocab.json"])
async def test_damaged_file_is_told_with_what_to_do(folder: Path, tmp_path: Path, file: str) -> None:
    for name in ("config.json", "model.pth", "vocab.json"):
        (tmp_path / name).symlink_to(folder / name)
    damaged = (folder / file).read_bytes()[:1000]
    (tmp_path / file).unlink()
    (tmp_path / file).write_bytes(damaged)
    backend = make(tmp_path)
    async with backend.running():
        reason = backend.health().reason or ""
        assert "cannot be loaded" in reason
        assert "fetch its files again" in reason


async def test_absent_gpu_is_told_with_what_to_do(folder: Path) -> None:
    backend = make(folder, device="cuda:99")
    async with backend.running():
        assert "choose the device 'cpu'" in (backend.health().reason or "")
