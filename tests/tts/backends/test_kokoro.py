"""The real kokoro-onnx in real workers, with a model of our own making: each token is a short tone."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

import anyio
import numpy as np
import pytest

from app.errors import BackendUnavailable, TextTooLong, VoiceNotFound
from app.tts.backend import Backend
from app.tts.backends.kokoro import Kokoro
from app.tts.speech import Gender, Mark, MarkKind, Utterance, Voice
from tests.tts.tiny_voices import write_kokoro

pytestmark = pytest.mark.anyio

needs_kokoro = pytest.mark.skipif(find_spec("kokoro_onnx") is None, reason="kokoro-onnx is missing")
needs_mandarin = pytest.mark.skipif(find_spec("jieba") is None, reason="misaki[zh] is missing")

ENGLISH = "Hello there, my friend. How are you today?"
CHINESE = "你好，今天直播间来了好多新朋友"
MODEL, VOICES = "kokoro-v1.0.onnx", "voices-v1.0.bin"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_kokoro(folder / "kokoro", ("af_bella", "af_sky", "am_adam", "bf_emma"))
    return folder


@pytest.fixture(scope="module")
def many_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    write_kokoro(folder / "kokoro", ("af_bella", "jf_alpha", "zf_xiaobei"))
    return folder


@pytest.fixture
async def kokoro(models: Path) -> AsyncIterator[Kokoro]:
    pytest.importorskip("kokoro_onnx", reason="kokoro-onnx is missing")
    backend = Kokoro(models)
    async with backend.running():
        yield backend


async def speak(
    backend: Kokoro, text: str = ENGLISH, voice: str = "af_bella", *, whole: bool = True, **how: float
) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    utterance = Utterance(text, backend.find_voice(voice), **how)
    pcm = [sound.pcm async for sound in backend.synthesize(utterance, whole=whole)]
    return np.frombuffer(b"".join(pcm), "<i2")


def rms(pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


def hertz(pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    return float(np.mean(np.diff(np.sign(pcm)) != 0)) * 12000


# --- speech ---


async def test_speech_is_audible_and_takes_its_time(kokoro: Kokoro) -> None:
    pcm = await speak(kokoro)
    assert 2 < len(pcm) / kokoro.sample_rate < 5
    assert rms(pcm) > 3000


@needs_mandarin
async def test_mandarin_is_read_with_its_tones(many_models: Path) -> None:
    backend = Kokoro(many_models)
    async with backend.running():
        for text in (CHINESE, f"{CHINESE} hello 666 GG", "！？你好"):
            assert rms(await speak(backend, text, "zf_xiaobei")) > 3000


async def test_the_first_clause_comes_early_to_who_listens(kokoro: Kokoro) -> None:
    utterance = Utterance(ENGLISH, kokoro.find_voice("af_bella"))
    heard, whole = [[sound.pcm async for sound in kokoro.synthesize(utterance, whole=whole)] for whole in (False, True)]
    assert (len(heard), len(whole)) == (2, 1)
    assert len(heard[0]) < len(heard[1])
    assert 0 <= len(b"".join(heard)) - len(whole[0]) <= 2 * 24_000  # a pause, and what the model says of none


async def test_speed_changes_the_length_and_not_the_pitch(kokoro: Kokoro) -> None:
    plain, fast = await speak(kokoro), await speak(kokoro, speed=2.0)
    assert len(fast) < 0.65 * len(plain)
    assert hertz(fast) == pytest.approx(hertz(plain), rel=0.1)


@pytest.mark.parametrize("speed", [0.01, 100.0])
async def test_speeds_beyond_what_it_can_are_its_limits(kokoro: Kokoro, speed: float) -> None:
    assert rms(await speak(kokoro, speed=speed)) > 1000


async def test_mixture_lies_between_its_voices(kokoro: Kokoro) -> None:
    ids = ("af_bella", "af_bella(3)+af_sky(1)", "af_bella+af_sky", "af_sky")
    pitches = [hertz(await speak(kokoro, voice=voice)) for voice in ids]
    assert pitches == sorted(set(pitches))


async def test_times_are_told_by_models_that_know_them(tmp_path: Path) -> None:
    pytest.importorskip("kokoro_onnx", reason="kokoro-onnx is missing")
    write_kokoro(tmp_path / "kokoro", ("af_bella",), timed=True)
    backend = Kokoro(tmp_path)
    async with backend.running():
        marks = await marks_of(backend)
    assert [mark.text for mark in marks if mark.kind is MarkKind.WORD] == [
        "Hello",
        "there",
        "my",
        "friend",
        "How",
        "are",
        "you",
        "today",
    ]
    assert [mark.start for mark in marks] == sorted(mark.start for mark in marks)


async def test_model_that_tells_no_times_has_no_marks(kokoro: Kokoro) -> None:
    assert await marks_of(kokoro) == []


async def marks_of(backend: Kokoro) -> list[Mark]:
    utterance = Utterance(ENGLISH, backend.find_voice("af_bella"), marks=True)
    return [mark async for sound in backend.synthesize(utterance, whole=True) for mark in sound.marks]


@pytest.mark.parametrize("text", ["one\0two", "\ud800 half", "😀 well", "<speak>", "\x1b[2J hi", "...", "好"])
async def test_strange_texts_are_taken_and_the_next_speaks(kokoro: Kokoro, text: str) -> None:
    await speak(kokoro, text)
    assert rms(await speak(kokoro)) > 1000


# --- voices ---


async def test_kokoro_is_a_backend_that_is_there(kokoro: Kokoro) -> None:
    backend: Backend = kokoro
    assert backend.health().available
    assert (backend.name, backend.sample_rate, backend.concurrency) == ("kokoro", 24000, 1)


@needs_kokoro
async def test_voices_are_those_whose_language_can_be_read(many_models: Path) -> None:
    backend = Kokoro(many_models)
    async with backend.running():
        names = {voice.id for voice in backend.voices()}
        assert "af_bella" in names
        assert ("zf_xiaobei" in names) == (find_spec("jieba") is not None)
        assert ("jf_alpha" in names) == all(find_spec(name) for name in ("fugashi", "pyopenjtalk"))


@pytest.mark.parametrize("voice", ["nobody", "af_bella+nobody", "af_bella(0)"])
async def test_unknown_voice_is_not_found(kokoro: Kokoro, voice: str) -> None:
    stranger = Voice(voice, "", "en-US", Gender.NEUTRAL, "kokoro")
    with pytest.raises(VoiceNotFound):
        await anext(kokoro.synthesize(Utterance("x", stranger), whole=True))


# --- bounds and cancelling ---


@needs_kokoro
async def test_speech_without_end_is_too_long(models: Path) -> None:
    backend = Kokoro(models, max_seconds=1)
    async with backend.running():
        with pytest.raises(TextTooLong, match="more than 1 seconds"):
            await speak(backend)
        assert rms(await speak(backend, "yes")) > 1000


async def test_giving_up_frees_the_worker(kokoro: Kokoro) -> None:
    utterance = Utterance(f"{ENGLISH} " * 20, kokoro.find_voice("af_bella"))
    async with aclosing(kokoro.synthesize(utterance, whole=False)) as sounds:
        await anext(sounds)
    with anyio.fail_after(30):
        assert rms(await speak(kokoro)) > 1000


# --- what may be missing ---


async def health_of(backend: Kokoro) -> str:
    assert not backend.health().available
    async with backend.running():
        health = backend.health()
        assert backend.voices() == ()
        with pytest.raises(BackendUnavailable):
            await anext(backend.synthesize(Utterance("x", Voice("x", "", "en", Gender.NEUTRAL, "kokoro")), whole=True))
    assert not health.available and health.reason
    return health.reason


async def test_absent_package_says_what_to_install(models: Path) -> None:
    assert "pip install 'chorus-live[kokoro]'" in await health_of(Kokoro(models, has_package=lambda: False))


@pytest.mark.parametrize("name", [MODEL, VOICES])
async def test_absent_files_say_what_to_download(tmp_path: Path, name: str) -> None:
    write_kokoro(tmp_path / "kokoro", ("af_bella",))
    (tmp_path / "kokoro" / name).unlink()
    reason = await health_of(Kokoro(tmp_path, has_package=lambda: True))
    assert name in reason and "scripts/download_models kokoro" in reason


def _garbage(path: Path) -> None:
    path.write_bytes(b"<html>not a model</html>" * 100)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@needs_kokoro
@pytest.mark.parametrize("name", [MODEL, VOICES])
@pytest.mark.parametrize("damage", [_garbage, _cut, _empty])
async def test_broken_files_are_told(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    write_kokoro(tmp_path / "kokoro", ("af_bella",))
    damage(tmp_path / "kokoro" / name)
    reason = await health_of(Kokoro(tmp_path))
    assert "is broken" in reason and "scripts/download_models kokoro" in reason


@needs_kokoro
async def test_voices_file_without_voices_is_told(tmp_path: Path) -> None:
    write_kokoro(tmp_path / "kokoro", voices=("strange",))
    assert "no voice that can be used" in await health_of(Kokoro(tmp_path))


@needs_kokoro
async def test_worker_without_memory_is_told(models: Path) -> None:
    reason = await health_of(Kokoro(models, memory_bytes=120 * 1024 * 1024))
    assert "a worker may take 120 MiB, give it more" in reason


def test_server_never_imports_kokoro() -> None:
    code = (
        "import sys, pathlib; from app.tts.backends.kokoro import Kokoro; b = Kokoro(pathlib.Path('.')); b.health();"
        "print({'kokoro_onnx', 'onnxruntime', 'phonemizer', 'misaki'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
