"""The real piper in real workers, with voices of our own making: each phoneme is a short tone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import pytest

from app.errors import BackendUnavailable, TextTooLong, VoiceNotFound
from app.tts.backend import Backend
from app.tts.backends.piper import Piper
from app.tts.speech import Gender, Mark, MarkKind, Utterance, Voice
from tests.eventually import eventually
from tests.tts.tiny_voices import piper_config, write_piper_voice

pytestmark = pytest.mark.anyio

needs_piper = pytest.mark.skipif("not __import__('importlib.util').util.find_spec('piper')", reason="piper is missing")

ENGLISH = "Hello there my friend. How are you today?"
CHINESE = "你好，今天直播间来了好多新朋友"
TINY = "en_US-tiny-medium"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_piper_voice(folder / "piper", TINY)
    write_piper_voice(folder / "piper", "zh_CN-huayan-low", espeak_voice="cmn", sample_rate=16000)
    write_piper_voice(folder / "piper", "en_GB-several-high", speakers=3, aligned=False)
    return folder


@pytest.fixture
async def piper(models: Path) -> AsyncIterator[Piper]:
    pytest.importorskip("piper", reason="piper is missing")
    backend = Piper(models)
    async with backend.running():
        yield backend


async def speak(
    backend: Piper, text: str = ENGLISH, voice: str = TINY, *, whole: bool = True, **how: float
) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    utterance = Utterance(text, backend.find_voice(voice), **how)
    pcm = [sound.pcm async for sound in backend.synthesize(utterance, whole=whole)]
    return np.frombuffer(b"".join(pcm), "<i2")


async def marks_of(backend: Piper, text: str, voice: str = TINY) -> list[Mark]:
    utterance = Utterance(text, backend.find_voice(voice), marks=True)
    return [mark async for sound in backend.synthesize(utterance, whole=True) for mark in sound.marks]


def rms(pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


# --- speech ---


@pytest.mark.parametrize(
    ("text", "voice", "seconds"), [(ENGLISH, TINY, (1.5, 4)), (CHINESE, "zh_CN-huayan-low", (2, 9))]
)
async def test_speech_is_audible_and_takes_its_time(
    piper: Piper, text: str, voice: str, seconds: tuple[float, float]
) -> None:
    pcm = await speak(piper, text, voice)
    assert seconds[0] < len(pcm) / piper.sample_rate < seconds[1]
    assert rms(pcm) > 3000


async def test_sentences_come_one_by_one(piper: Piper) -> None:
    utterance = Utterance(ENGLISH, piper.find_voice(TINY))
    sounds = [sound.pcm async for sound in piper.synthesize(utterance, whole=False)]
    assert len(sounds) == 2
    assert b"".join(sounds) == (await speak(piper)).tobytes()


async def test_twice_as_fast_is_half_as_long(piper: Piper) -> None:
    plain, fast = await speak(piper), await speak(piper, speed=2.0)
    assert len(fast) == pytest.approx(len(plain) / 2, rel=0.01)


async def test_speakers_of_a_model_sound_different(piper: Piper) -> None:
    first, last = await speak(piper, voice="en_GB-several-high#p0"), await speak(piper, voice="en_GB-several-high#p2")
    assert len(first) == len(last)
    assert not np.array_equal(first, last)
    assert np.array_equal(first, await speak(piper, voice="en_GB-several-high"))


async def test_words_and_phonemes_have_their_times(piper: Piper) -> None:
    pytest.importorskip("onnx", reason="piper reads times with the package onnx")
    marks = await marks_of(piper, ENGLISH)
    words = [mark for mark in marks if mark.kind is MarkKind.WORD]
    assert [mark.text for mark in words] == ["Hello", "there", "my", "friend", "How", "are", "you", "today"]
    assert {mark.kind for mark in marks} == set(MarkKind)
    assert [mark.start for mark in marks] == sorted(mark.start for mark in marks)
    assert words[-1].end <= len(await speak(piper)) / piper.sample_rate


async def test_words_that_are_read_as_one_have_one_time(piper: Piper) -> None:
    pytest.importorskip("onnx", reason="piper reads times with the package onnx")
    marks = await marks_of(piper, "One of the best. It goes on for a long time, all 25 of them!")
    words = [mark.text for mark in marks if mark.kind is MarkKind.WORD]
    assert " ".join(words) == "One of the best It goes on for a long time all 25 of them"
    assert {"of the", "for a", "25"} <= set(words)


async def test_nobody_is_told_times_who_did_not_ask(piper: Piper) -> None:
    sounds = piper.synthesize(Utterance(ENGLISH, piper.find_voice(TINY)), whole=True)
    assert not any([sound.marks async for sound in sounds])


async def test_model_that_tells_no_times_has_no_marks(piper: Piper) -> None:
    assert await marks_of(piper, ENGLISH, "en_GB-several-high") == []


@pytest.mark.parametrize("text", ["[[h@l]] hello", "one\0two", "\ud800 half", "😀 well", "<speak>", "\x1b[2J hi"])
async def test_strange_texts_are_taken(piper: Piper, text: str) -> None:
    assert rms(await speak(piper, text)) > 1000


async def test_raw_phonemes_are_not_obeyed(piper: Piper) -> None:
    assert len(await speak(piper, "[[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]] x")) != len(await speak(piper, "a x"))
    assert not any(mark.text == "@" for mark in await marks_of(piper, "[[h@h@]] word"))


# --- voices ---


async def test_piper_is_a_backend_that_is_there(piper: Piper) -> None:
    backend: Backend = piper
    assert backend.health().available
    assert (backend.name, backend.sample_rate, backend.concurrency) == ("piper", 22050, 1)


async def test_voices_are_the_files(piper: Piper) -> None:
    several = "en_GB-several-high"
    assert [voice.id for voice in piper.voices()] == [
        several,
        *(f"{several}#p{number}" for number in range(3)),
        TINY,
        "zh_CN-huayan-low",
    ]
    found = piper.find_voice("zh_cn-huayan-low")
    assert found.version
    assert replace(found, version="") == Voice("zh_CN-huayan-low", "Huayan, low", "zh-CN", Gender.FEMALE, "piper")
    assert piper.choose_voice("en-US").id == TINY


async def test_unknown_voice_is_not_found_and_the_next_speaks(piper: Piper) -> None:
    stranger = replace(piper.find_voice(TINY), id="../../etc/passwd")
    with pytest.raises(VoiceNotFound):
        await anext(piper.synthesize(Utterance("x", stranger), whole=True))
    assert rms(await speak(piper)) > 1000


async def test_voices_make_room_for_each_other(models: Path) -> None:
    pytest.importorskip("piper", reason="piper is missing")
    backend = Piper(models, voices_in_memory=1)
    async with backend.running():
        for voice in (TINY, "zh_CN-huayan-low", TINY):
            assert rms(await speak(backend, voice=voice)) > 1000


# --- bounds and cancelling ---


@needs_piper
async def test_speech_without_end_is_too_long(models: Path) -> None:
    backend = Piper(models, max_seconds=1)
    async with backend.running():
        with pytest.raises(TextTooLong, match="more than 1 seconds"):
            await speak(backend)
        assert len(await speak(backend, "yes")) > 0


async def test_giving_up_frees_the_worker(piper: Piper) -> None:
    utterance = Utterance(f"{ENGLISH} " * 20, piper.find_voice(TINY))
    async with aclosing(piper.synthesize(utterance, whole=False)) as sounds:
        await anext(sounds)
    with anyio.fail_after(30):
        assert rms(await speak(piper)) > 1000


async def test_cancelled_speech_frees_the_worker(piper: Piper) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(speak, piper, f"{ENGLISH} " * 20)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    with anyio.fail_after(30):
        assert rms(await speak(piper)) > 1000


# --- what may be missing ---


async def health_of(backend: Piper) -> str:
    assert not backend.health().available
    async with backend.running():
        health = backend.health()
        assert backend.voices() == ()
        with pytest.raises(BackendUnavailable):
            await anext(backend.synthesize(Utterance("x", Voice("x", "", "en", Gender.NEUTRAL, "piper")), whole=True))
    assert not health.available and health.reason
    return health.reason


async def test_absent_package_says_what_to_install(models: Path) -> None:
    assert "pip install 'chorus-live[piper]'" in await health_of(Piper(models, has_package=lambda: False))


async def test_absent_models_say_what_to_download(tmp_path: Path) -> None:
    reason = await health_of(Piper(tmp_path, has_package=lambda: True))
    assert "scripts/download_models zh_CN-huayan-medium" in reason


def _garbage(path: Path) -> None:
    path.write_bytes(b"<html>not a model</html>" * 100)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _strange_graph(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"Gather", b"Gxther"))


def _half_a_config(path: Path) -> None:
    config = piper_config()
    del config["audio"]
    path.with_name(f"{path.name}.json").write_text(json.dumps(config))


def _no_config(path: Path) -> None:
    path.with_name(f"{path.name}.json").unlink()


def _torn_config(path: Path) -> None:
    path.with_name(f"{path.name}.json").write_text('{"audio": ')


@needs_piper
@pytest.mark.parametrize("damage", [_garbage, _cut, _strange_graph, _half_a_config, _no_config, _torn_config])
async def test_broken_model_is_told(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    damage(write_piper_voice(tmp_path / "piper"))
    reason = await health_of(Piper(tmp_path))
    assert TINY in reason or "none of its voices" in reason
    assert "scripts/download_models" in reason


@needs_piper
async def test_sound_voice_speaks_beside_broken_ones(tmp_path: Path) -> None:
    _garbage(write_piper_voice(tmp_path / "piper", "aa_AA-first-low"))
    write_piper_voice(tmp_path / "piper")
    _garbage(write_piper_voice(tmp_path / "piper", "zz_ZZ-last-low"))
    backend = Piper(tmp_path)
    async with backend.running():
        assert [voice.id for voice in backend.voices()] == [TINY, "zz_ZZ-last-low"]
        with pytest.raises(VoiceNotFound):
            await speak(backend, voice="zz_ZZ-last-low")
        assert [voice.id for voice in backend.voices()] == [TINY]
        assert rms(await speak(backend)) > 1000


@needs_piper
async def test_worker_without_memory_is_told(models: Path) -> None:
    reason = await health_of(Piper(models, memory_bytes=120 * 1024 * 1024))
    assert "a worker may take 120 MiB, give it more" in reason


@needs_piper
async def test_worker_that_dies_is_replaced(piper: Piper) -> None:
    pid = _only_child()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: _only_child() not in (None, pid) and piper.health().available)
    assert rms(await speak(piper)) > 1000


def _only_child() -> int | None:
    psutil = pytest.importorskip("psutil")
    living = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    return next((each.pid for each in living if "app.tts.backends.piper_worker" in each.cmdline()), None)


async def test_pinyin_voice_without_its_dictionary_is_left_out(tmp_path: Path) -> None:
    pytest.importorskip("piper", reason="piper is missing")
    path = write_piper_voice(tmp_path / "piper", "zh_CN-xiao_ya-medium")
    config = {**piper_config(espeak_voice="cmn"), "phoneme_type": "pinyin"}
    path.with_name(f"{path.name}.json").write_text(json.dumps(config))
    assert "g2pw.onnx" in await health_of(Piper(tmp_path))


def test_server_never_imports_piper() -> None:
    code = (
        "import sys, pathlib; from app.tts.backends.piper import Piper; b = Piper(pathlib.Path('.')); b.health();"
        "print({'piper', 'onnxruntime', 'onnx'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "set()"
