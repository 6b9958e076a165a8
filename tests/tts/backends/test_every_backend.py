"""What holds for every backend: one suite, run on each that can run here.

Those that need weights speak with tiny models of our own making through their real libraries, xtts through its real
worker with an engine that sings, edge with an emulated service. A new backend needs one function in `OPENERS`.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np
import numpy.typing as npt
import pytest
import trustme

from app.audio.loudness import loudness, true_peak
from app.audio.melody import follow
from app.audio.pcm import to_float32
from app.errors import VoiceNotFound, WorkerFailed
from app.tts import language
from app.tts.backend import Backend
from app.tts.backends.edge import Edge
from app.tts.backends.espeak import Espeak
from app.tts.backends.kokoro import Kokoro
from app.tts.backends.piper import Piper
from app.tts.backends.tone import Tone
from app.tts.backends.xtts import Xtts
from app.tts.composer import compose
from app.tts.leveler import Leveler
from app.tts.score import Phrase, Score, perform, play
from app.tts.speech import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Manner, Mark, SpeechRequest, Utterance, Voice
from tests.tts.backends.edge_emulator import Emulator
from tests.tts.backends.test_piper_server import FakePiper, listening
from tests.tts.tiny_voices import piper_config, write_kokoro, write_piper_voice

pytestmark = pytest.mark.anyio

Open = Callable[[Path], AbstractAsyncContextManager[Backend]]

TEXTS = {"en": "Hello there my friend. How are you today?", "zh": "你好，今天直播间来了好多新朋友"}


LINES = {
    "en": ("That was amazing, well played!", "Good night, everybody", "I do not know what to say. Really? Yes!"),
    "zh": ("谢谢老板送的火箭", "明天什么时候开播呢？", "哈哈哈，笑死我了。主播加油！"),
}
"""Of half a second and more."""


@asynccontextmanager
async def open_tone(folder: Path) -> AsyncIterator[Backend]:
    yield Tone()


@asynccontextmanager
async def open_espeak(folder: Path) -> AsyncIterator[Backend]:
    yield Espeak(workers=1)


@asynccontextmanager
async def open_edge(folder: Path) -> AsyncIterator[Backend]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    async with Emulator(authority) as service:
        yield Edge(ca_file=folder / "ca.pem", connector=service.connector, concurrency=2)


@asynccontextmanager
async def open_piper(folder: Path) -> AsyncIterator[Backend]:
    pytest.importorskip("piper", reason="piper is missing")
    write_piper_voice(folder / "piper", "en_US-lessac-medium")
    write_piper_voice(folder / "piper", "zh_CN-huayan-x_low", espeak_voice="cmn", sample_rate=16000)
    yield Piper(folder)


@asynccontextmanager
async def open_piper_server(folder: Path) -> AsyncIterator[Backend]:
    fake = FakePiper()
    fake.voices = {name: piper_config() for name in ("en_US-lessac-medium", "zh_CN-huayan-medium")}
    async with listening(fake) as url:
        yield Piper(folder, url=url)


@asynccontextmanager
async def open_kokoro(folder: Path) -> AsyncIterator[Backend]:
    pytest.importorskip("kokoro_onnx", reason="kokoro-onnx is missing")
    pytest.importorskip("jieba", reason="misaki[zh] is missing")
    write_kokoro(folder / "kokoro", ("af_heart", "am_adam", "zf_xiaoxiao", "zm_yunxi"))
    yield Kokoro(folder)


@asynccontextmanager
async def open_xtts(folder: Path) -> AsyncIterator[Backend]:
    for name in ("model.pth", "vocab.json", "config.json"):
        (folder / name).touch()
    yield Xtts(folder, agreed=True, engine="tests.tts.backends.singing_xtts", patience=30.0)


OPENERS: Mapping[str, Open] = {
    "tone": open_tone,
    "espeak": open_espeak,
    "edge": open_edge,
    "piper": open_piper,
    "piper server": open_piper_server,
    "kokoro": open_kokoro,
    "xtts": open_xtts,
}


@pytest.fixture(params=OPENERS)
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    async with OPENERS[request.param](tmp_path) as opened, opened.running():
        yield opened


async def hear(
    backend: Backend, voice: Voice, text: str, *, whole: bool = True, speed: float = 1.0
) -> tuple[npt.NDArray[np.int16], list[Mark]]:
    utterance = Utterance(text, voice, speed)
    sounds = [sound async for sound in backend.synthesize(utterance, whole=whole)]
    assert all(len(sound.pcm) % 2 == 0 for sound in sounds)
    marks = [mark for sound in sounds for mark in sound.marks]
    return np.frombuffer(b"".join(sound.pcm for sound in sounds), "<i2"), marks


async def speak(backend: Backend, tag: str = "en", *, whole: bool = True, speed: float = 1.0) -> npt.NDArray[np.int16]:
    pcm, _ = await hear(backend, backend.choose_voice(tag), TEXTS[tag], whole=whole, speed=speed)
    return pcm


def rms(pcm: npt.NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


async def test_it_introduces_itself(backend: Backend) -> None:
    assert backend.health().available and backend.health().reason is None
    assert MIN_SAMPLE_RATE <= backend.sample_rate <= MAX_SAMPLE_RATE
    assert backend.concurrency >= 1
    assert 0 <= backend.traits.fidelity <= 3


async def test_listed_voices_are_found(backend: Backend) -> None:
    voices = backend.voices()
    assert len({voice.id for voice in voices}) == len(voices) >= 2
    for voice in voices:
        assert backend.find_voice(voice.id) == voice
        assert voice.backend == backend.name
        assert voice.name and voice.language


@pytest.mark.parametrize("tag", ["en-US", "zh-CN", "en", "zh"])
async def test_voice_is_chosen_by_language(backend: Backend, tag: str) -> None:
    chosen = backend.choose_voice(tag)
    assert language.primary(chosen.language) == language.primary(tag)
    assert backend.choose_voice(chosen.language, like=chosen.id).gender == chosen.gender


@pytest.mark.parametrize("voice_id", ["", "nobody", "../../etc/passwd", "\0", "zh-CN-NobodyNeural"])
async def test_voice_that_is_not_there_is_not_found_and_the_next_speaks(backend: Backend, voice_id: str) -> None:
    with pytest.raises(VoiceNotFound):
        backend.find_voice(voice_id)
    with pytest.raises(VoiceNotFound):
        backend.choose_voice("tlhx")
    stranger = replace(backend.choose_voice("en"), id=voice_id)
    with pytest.raises((VoiceNotFound, WorkerFailed)):
        await hear(backend, stranger, "hello")
    assert rms(await speak(backend)) > 500


@pytest.mark.parametrize("tag", TEXTS)
async def test_speech_is_audible_and_takes_its_time(backend: Backend, tag: str) -> None:
    pcm = await speak(backend, tag)
    assert 0.5 < len(pcm) / backend.sample_rate < 12
    assert rms(pcm) > 500


@pytest.mark.parametrize("tag", TEXTS)
async def test_hurried_speech_is_the_same_as_whole_speech(backend: Backend, tag: str) -> None:
    whole, hurried = await speak(backend, tag), await speak(backend, tag, whole=False)
    # espeak-ng rests longer between sentences when its buffers are large, Kokoro behind an early first clause
    pause = 0.45 * backend.sample_rate
    assert len(hurried) == pytest.approx(len(whole), abs=max(pause, 0.05 * len(whole)))
    assert rms(hurried) == pytest.approx(rms(whole), rel=0.2)


async def test_twice_as_fast_is_shorter(backend: Backend) -> None:
    assert len(await speak(backend, speed=2.0)) < 0.75 * len(await speak(backend))


async def test_times_lie_within_the_speech(backend: Backend) -> None:
    pcm, marks = await hear(backend, backend.choose_voice("en"), TEXTS["en"])
    assert all(0 <= mark.start <= mark.end <= len(pcm) / backend.sample_rate + 0.1 for mark in marks)
    assert all(first.start <= second.start for first, second in pairwise(marks))


async def test_speech_that_is_given_up_makes_room(backend: Backend) -> None:
    utterance = Utterance(f"{TEXTS['en']} " * 10, backend.choose_voice("en"))
    for _ in range(backend.concurrency + 1):
        async with aclosing(backend.synthesize(utterance, whole=False)) as sounds:
            await anext(sounds)
    with anyio.fail_after(20):
        assert rms(await speak(backend)) > 500


async def test_speech_that_is_cancelled_makes_room(backend: Backend) -> None:
    long = Utterance(f"{TEXTS['en']} " * 10, backend.choose_voice("en"))
    async with anyio.create_task_group() as group:
        for _ in range(backend.concurrency):
            group.start_soon(hear, backend, long.voice, long.text)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    with anyio.fail_after(20):
        assert rms(await speak(backend)) > 500


async def test_many_at_once_are_all_spoken(backend: Backend) -> None:
    lengths: list[int] = []

    async def note() -> None:
        lengths.append(len(await speak(backend)))

    async with anyio.create_task_group() as group:
        for _ in range(3 * backend.concurrency):
            group.start_soon(note)
    assert len(lengths) == 3 * backend.concurrency
    assert max(lengths) == pytest.approx(min(lengths), rel=0.05)


@pytest.mark.parametrize(
    "text", ["GG 666 好", "<speak>hi</speak> there", "[[h@]] yes", "one\0two", "a\ud800b c", "x" * 200]
)
async def test_strange_texts_are_taken_and_the_next_speaks(backend: Backend, text: str) -> None:
    await hear(backend, backend.choose_voice("en"), text)
    assert rms(await speak(backend)) > 500


def assert_level(pcm: bytes, sample_rate: int) -> None:
    samples = to_float32(np.frombuffer(pcm, "<i2"))
    assert loudness(samples, sample_rate=sample_rate) == pytest.approx(-16.0, abs=1.5)
    assert 20 * np.log10(true_peak(samples)) <= -1.0


async def skip_if_it_does_not_sound(backend: Backend) -> None:
    pcm = await speak(backend)
    if np.std(pcm[len(pcm) // 4 : -len(pcm) // 4]) < 100:
        pytest.skip("the stand-in of piper's server answers direct current, which is no sound")


@pytest.mark.parametrize("tag", ["en", "zh"])
async def test_it_is_as_loud_as_every_other(backend: Backend, tag: str) -> None:
    await skip_if_it_does_not_sound(backend)
    voice, leveler = backend.choose_voice(tag), Leveler(target_lufs=-16.0)
    for text in (TEXTS[tag], *LINES[tag], TEXTS[tag]):
        spoken = await perform(backend, Score.of(Utterance(text, voice)), leveler)
        assert_level(spoken.pcm, backend.sample_rate)


@pytest.mark.parametrize("tag", ["en", "zh"])
async def test_its_streams_are_as_loud_as_its_lines(backend: Backend, tag: str) -> None:
    await skip_if_it_does_not_sound(backend)
    leveler = Leveler(target_lufs=-16.0)
    for voice in (backend.choose_voice(tag), backend.choose_voice(tag, like="zh-CN-YunxiNeural")):
        for text in (TEXTS[tag], *LINES[tag], TEXTS[tag]):
            played = play(backend, Phrase(Utterance(text, voice)), leveler)
            assert_level(b"".join([sound.pcm async for sound in played]), backend.sample_rate)


MANNER = Manner(pitch=3.0, pitch_range=0.5, timbre=2.0, tilt=-2.0)


async def test_it_speaks_in_any_manner_for_as_long(backend: Backend) -> None:
    voice = backend.choose_voice("en")
    plain, changed = [
        await perform(backend, compose(SpeechRequest(TEXTS["en"], voice=voice.id, manner=manner), voice, backend))
        for manner in (Manner(), MANNER)
    ]
    assert len(changed.pcm) == pytest.approx(len(plain.pcm), rel=0.03)
    assert changed.pcm != plain.pcm
    assert [mark.text for mark in changed.marks] == [mark.text for mark in plain.marks]


@pytest.mark.parametrize("semitones", [-5.0, 4.0])
async def test_its_voice_is_higher_by_the_semitones(backend: Backend, semitones: float) -> None:
    voice = backend.choose_voice("en")
    requests = [SpeechRequest(TEXTS["en"], voice=voice.id, manner=Manner(pitch=pitch)) for pitch in (0.0, semitones)]
    scores = [compose(request, voice, backend) for request in requests]
    plain, moved = [melody((await perform(backend, score)).pcm, backend.sample_rate) for score in scores]
    if len(plain) < 40 or np.std(plain) > 6:
        pytest.skip("what stands in for its voice has no melody")
    if backend.name == "edge":
        pytest.skip("the emulated service notes the pitch it is asked for and sings as ever")
    assert np.median(moved) - np.median(plain) == pytest.approx(semitones, abs=0.5)


def melody(pcm: bytes, sample_rate: int) -> npt.NDArray[np.float64]:
    """The melody in semitones where there is one."""
    hz = follow(to_float32(np.frombuffer(pcm, "<i2")), sample_rate=sample_rate).hz
    return np.asarray(12 * np.log2(hz[hz > 0]))
