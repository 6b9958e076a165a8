"""The backend and its worker process with a fake engine in it; the real one speaks in `test_xtts_engine.py`."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import anyio
import psutil
import pytest

from app.errors import BackendUnavailable, DeadlineExceeded, TextTooLong, VoiceNotFound, WorkerFailed, WorkerLost
from app.tts.backend import Backend
from app.tts.backends.xtts import SPINS, Xtts
from app.tts.speech import Gender, Utterance
from tests.eventually import eventually

pytestmark = pytest.mark.anyio

ENGINE = "tests.tts.backends.fake_xtts"
Make = Callable[..., Xtts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.pth", "vocab.json"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "voices").mkdir()
    for name in ("anna", "bob"):
        (tmp_path / "voices" / f"{name}.wav").touch()
    return tmp_path


@pytest.fixture
def make(folder: Path) -> Make:
    def made(**options: object) -> Xtts:
        return Xtts(folder, **{"agreed": True, "engine": ENGINE, "patience": 30.0, "grace": 10.0, **options})  # type: ignore[arg-type]

    return made


@pytest.fixture
async def xtts(make: Make) -> AsyncIterator[Xtts]:
    backend = make()
    async with backend.running():
        yield backend


@pytest.fixture
def gate(folder: Path) -> Path:
    path = folder / "gate"
    os.mkfifo(path)
    return path


def utterance(backend: Backend, text: str, voice: str = "en+anna", speed: float = 1.0) -> Utterance:
    return Utterance(text, backend.find_voice(voice), speed)


async def speak(backend: Backend, text: str, voice: str = "en+anna", *, speed: float = 1.0, whole: bool = True) -> str:
    sounds = backend.synthesize(utterance(backend, text, voice, speed), whole=whole)
    return b"".join([sound.pcm async for sound in sounds]).decode().replace(" ;", ";")


def tell(folder: Path, **script: object) -> None:
    (folder / "config.json").write_text(json.dumps(script))


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if any("xtts_worker" in part for part in child.cmdline())]


@pytest.mark.parametrize(("chosen", "spins"), [({}, SPINS), ({"OMP_WAIT_POLICY": "active"}, None)])
async def test_the_worker_waits_asleep_unless_told_and_knows_no_secret(
    make: Make, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], spins: str | None
) -> None:
    for name, value in {"AUTH_SECRET": "hush", **chosen}.items():
        monkeypatch.setenv(name, value)
    async with make().running():
        (worker,) = workers()
        environment = worker.environ()
    assert environment.get("GOMP_SPINCOUNT") == spins
    assert environment.items() >= chosen.items()
    assert "AUTH_SECRET" not in environment


# --- consent, model, packages ---


async def test_nothing_is_loaded_before_the_user_agreed(make: Make) -> None:
    backend = make(agreed=False)
    async with backend.running():
        reason = backend.health().reason or ""
        assert "non-commercial" in reason
        assert "set COQUI_TOS_AGREED=1" in reason
        assert backend.voices() == ()
        assert workers() == []


async def test_licence_is_shown_before_loading(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async with make().running():
        assert "CPML" in caplog.text


async def test_absent_model_is_told_with_what_to_do(make: Make, folder: Path) -> None:
    (folder / "model.pth").unlink()
    backend = make()
    async with backend.running():
        reason = backend.health().reason or ""
        assert "model.pth missing" in reason
        assert "download_models" in reason
        with pytest.raises(VoiceNotFound):
            backend.choose_voice("en")


async def test_absent_package_is_told_with_what_to_do(make: Make) -> None:
    backend = make(engine="no_such_engine")
    async with backend.running():
        reason = backend.health().reason or ""
        assert "No module named 'no_such_engine'" in reason
        assert "install the extra `xtts`" in reason
        assert workers() == []


async def test_broken_model_is_told_and_its_process_ended(make: Make, folder: Path) -> None:
    tell(folder, fault="the model is damaged: fetch it again")
    backend = make(device="cuda:1", threads=3)
    async with backend.running():
        assert backend.health().reason == "the model is damaged: fetch it again on cuda:1 with 3"
        assert workers() == []


async def test_process_that_does_not_start_is_told(make: Make, folder: Path) -> None:
    tell(folder, crash=3)
    backend = make()
    async with backend.running():
        assert "its process does not start" in (backend.health().reason or "")
        assert "status 3" in (backend.health().reason or "")


async def test_absent_interpreter_is_told(make: Make) -> None:
    backend = make(python="/no/such/python")
    async with backend.running():
        assert "/no/such/python cannot be started" in (backend.health().reason or "")


async def test_model_without_any_voice_is_told_with_what_to_do(make: Make, folder: Path) -> None:
    for recording in (folder / "voices").iterdir():
        recording.unlink()
    backend = make()
    async with backend.running():
        assert "put a recording into" in (backend.health().reason or "")


async def test_server_need_not_wait_for_the_model(make: Make) -> None:
    backend = make(patience=0.0)
    assert backend.health().reason == "it has not been started"
    async with backend.running():
        assert "being loaded" in (backend.health().reason or "")


async def test_backend_that_was_stopped_says_so_and_starts_again(make: Make) -> None:
    backend = make()
    async with backend.running():
        pass
    assert backend.health().reason == "it has been stopped"
    assert workers() == []
    async with backend.running():
        assert backend.health().available


async def test_error_of_the_owner_comes_out_as_it_is(make: Make) -> None:
    with pytest.raises(KeyError):
        async with make().running():
            raise KeyError


# --- voices ---


async def test_every_language_has_every_speaker(xtts: Xtts) -> None:
    assert [voice.id for voice in xtts.voices()] == ["en+anna", "en+bob", "zh-cn+anna", "zh-cn+bob"]
    assert xtts.choose_voice("zh", like="en+bob").id == "zh-cn+bob"
    assert xtts.find_voice("en+anna").gender is Gender.FEMALE


async def test_voice_like_a_man_of_another_backend_is_a_man(make: Make) -> None:
    backend = make(is_male=lambda voice: voice == "onyx")
    async with backend.running():
        assert backend.choose_voice("en-US", like="onyx").id == "en+bob"
        assert backend.choose_voice("en-US", like="nova").id == "en+anna"


# --- speech ---


async def test_text_is_spoken_in_pieces_that_the_model_takes(xtts: Xtts) -> None:
    said = await speak(xtts, "大家好。欢迎来玩", "zh-cn+bob", speed=1.5)
    assert said == "大家好。|zh-cn|bob|1.5|100;欢迎来玩|zh-cn|bob|1.5|100;"


async def test_stream_has_smaller_chunks(xtts: Xtts) -> None:
    assert await speak(xtts, "hello", whole=False) == "hello|en|anna|1|20;"


async def test_half_surrogates_do_not_break_the_worker(xtts: Xtts) -> None:
    assert await speak(xtts, "a\ud800b") == "a?b|en|anna|1|100;"


async def test_memory_of_the_gpu_is_reported(make: Make, folder: Path) -> None:
    tell(folder, gpu=0.25)
    backend = make()
    async with backend.running():
        assert backend.health().gpu_memory_usage == 0.25
        await speak(backend, "hello")
        assert backend.health().gpu_memory_usage == 0.25


async def test_no_memory_is_reported_without_a_gpu(xtts: Xtts) -> None:
    await speak(xtts, "hello")
    assert xtts.health().gpu_memory_usage is None


async def test_refused_text_costs_only_itself(xtts: Xtts) -> None:
    with pytest.raises(WorkerFailed, match="out of memory .* choose another device"):
        await speak(xtts, "refuse")
    assert await speak(xtts, "hello") == "hello|en|anna|1|100;"


async def test_speaker_that_is_gone_is_not_found(xtts: Xtts) -> None:
    with pytest.raises(VoiceNotFound):
        await speak(xtts, "forget")


async def test_speech_that_is_too_long_is_refused(make: Make) -> None:
    backend = make(max_seconds=5 / 24000)
    async with backend.running():
        with pytest.raises(TextTooLong):
            await speak(backend, "hello")


async def test_worker_that_dies_costs_one_speech_and_is_replaced(xtts: Xtts) -> None:
    with pytest.raises(WorkerLost):
        await speak(xtts, "die")
    assert "being loaded again" in (xtts.health().reason or "")
    with pytest.raises(BackendUnavailable, match="being loaded again"):
        await speak(xtts, "hello")
    await eventually(lambda: xtts.health().available)
    assert await speak(xtts, "hello") == "hello|en|anna|1|100;"


async def test_model_that_cannot_be_loaded_again_is_told(xtts: Xtts, folder: Path) -> None:
    tell(folder, fault="out of memory")
    with pytest.raises(WorkerLost):
        await speak(xtts, "die")
    await eventually(lambda: "out of memory" in (xtts.health().reason or ""))
    assert not xtts.health().available


# --- cancelling ---


async def test_closed_speech_leaves_the_model_loaded(xtts: Xtts) -> None:
    before = workers()
    async with aclosing(xtts.synthesize(utterance(xtts, "one two. " * 20), whole=False)) as sounds:
        await anext(sounds)
    assert await speak(xtts, "hello") == "hello|en|anna|1|100;"
    assert workers() == before


async def test_cancelled_speech_ends_with_its_chunk_and_leaves_the_model_loaded(xtts: Xtts, gate: Path) -> None:
    before = workers()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak, xtts, "wait for it. And then go on. And on.")
        opened = await anyio.to_thread.run_sync(gate.open, "wb")  # returns when the worker is in the first chunk
        tasks.cancel_scope.cancel()
        opened.close()
    assert await speak(xtts, "hello") == "hello|en|anna|1|100;"
    assert workers() == before


async def test_chunk_that_does_not_end_costs_the_process(make: Make, gate: Path) -> None:
    backend = make(job_timeout=0.3)
    async with backend.running():
        with pytest.raises(DeadlineExceeded):
            await speak(backend, "wait")
        assert not backend.health().available


async def test_two_speeches_do_not_drop_each_other(xtts: Xtts) -> None:
    said: list[str] = []

    async def say(text: str) -> None:
        said.append(await speak(xtts, text))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(say, "one one one one one. one one one one")
        tasks.start_soon(say, "two two two two two. two two two two")
    assert [len(each.split(";")) for each in sorted(said)] == [3, 3]
