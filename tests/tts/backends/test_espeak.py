"""The real espeak-ng in real workers. It is not deterministic to the bit: what is asked for is duration and level."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import psutil
import pytest

from app.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    TextTooLong,
    VoiceNotFound,
    WorkerLost,
)
from app.tts.backend import Backend
from app.tts.backends.espeak import Espeak, find_library
from app.tts.speech import Gender, Mark, MarkKind, Utterance, Voice

pytestmark = pytest.mark.anyio

CHINESE = "今天直播间来了好多新朋友欢迎大家多多关注"
ENGLISH = "Welcome to the show everyone, thank you so much for all of your gifts."
KANA = "みなさん、こんにちは。きょうもきてくれてありがとう"
MIXED = "GG 主播 nice 太厉害了 let us go"
CRASH = "☦\u06e2"
"""Kills espeak-ng 1.52.0 with the voice `hi`."""
RARE = "".join(map(chr, range(0x3400, 0x3400 + 289)))
"""Rare characters, each of which is read as a long description."""


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    backend = Espeak(workers=1)
    async with backend.running():
        yield backend


async def speak(
    backend: Espeak,
    text: str,
    voice: str = "cmn+f2",
    *,
    speed: float = 1.0,
    pitch: float = 0.0,
    whole: bool = True,
) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    spoken = Utterance(text, backend.find_voice(voice), speed, pitch)
    pcm = [sound.pcm async for sound in backend.synthesize(spoken, whole=whole)]
    return np.frombuffer(b"".join(pcm), "<i2")


def seconds(pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    return len(pcm) / 22050


def rms(pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2)))


# --- speech ---


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("text", "voice", "seconds_at_260"),
    [
        (CHINESE, "cmn+f2", 20 * 44 / 260),  # a character takes 44/260 s
        (ENGLISH, "en-us+f2", 14 * 50 / 260),
        (KANA, "ja+f2", 2.4),
        (MIXED, "cmn+f2", 2.2),
    ],
)
async def test_speech_is_audible_and_takes_its_time(
    espeak: Espeak, text: str, voice: str, seconds_at_260: float, whole: bool
) -> None:
    pcm = await speak(espeak, text, voice, whole=whole)
    assert seconds(pcm) == pytest.approx(seconds_at_260, rel=0.3)
    assert 1500 < rms(pcm) < 8000
    assert np.abs(pcm.astype(int)).max() < 32767


@pytest.mark.parametrize("words_per_minute", [80, 175, 350, 450])
async def test_rate_sets_the_duration(espeak: Espeak, words_per_minute: int) -> None:
    pcm = await speak(espeak, CHINESE, speed=words_per_minute / 260)
    assert seconds(pcm) == pytest.approx(20 * 44 / words_per_minute, rel=0.3)


async def test_rates_beyond_what_it_can_are_its_limits(espeak: Espeak) -> None:
    slowest = seconds(await speak(espeak, CHINESE, speed=0.01))
    assert slowest == pytest.approx(seconds(await speak(espeak, CHINESE, speed=80 / 260)), rel=0.05)


async def test_pitch_of_one_job_does_not_stay_for_the_next(espeak: Espeak) -> None:
    plain, high, again = [pitch_hz(await speak(espeak, CHINESE, pitch=pitch)) for pitch in (0, 9.6, 0)]
    assert high > 1.15 * plain
    assert again == pytest.approx(plain, rel=0.05)


def pitch_hz(pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> float:
    """The median over the loud windows of the lag, of 70 to 400 Hz, with the highest autocorrelation."""
    windows = np.lib.stride_tricks.sliding_window_view(pcm.astype(float), 1024)[::512] * np.hanning(1024)
    loud = windows[np.std(windows, axis=1) > np.std(windows)]
    power = np.abs(np.fft.rfft(loud, 2048)) ** 2
    correlations = np.fft.irfft(power)[:, 55:315]
    return 22050 / (55 + float(np.median(np.argmax(correlations, axis=1))))


@pytest.mark.parametrize("semitones", [-4, 4, 6])
@pytest.mark.parametrize(
    ("text", "voice"),
    [
        ("ee", "en-us+f2"),
        ("oh", "en-us+f2"),
        ("衣", "cmn"),
        ("哦", "cmn+f2"),
        (CHINESE, "cmn+f2"),
        ("é", "fr-fr"),
        ("i", "es+f4"),
    ],
)
async def test_pitch_is_in_semitones(espeak: Espeak, text: str, voice: str, semitones: float) -> None:
    plain, moved = [pitch_hz(await speak(espeak, text, voice, speed=0.6, pitch=pitch)) for pitch in (0, semitones)]
    assert 12 * np.log2(moved / plain) == pytest.approx(semitones, abs=0.7)


async def test_whole_speech_is_one_chunk_and_hurried_speech_few(espeak: Espeak) -> None:
    spoken = Utterance(CHINESE, espeak.find_voice("cmn"))
    whole = [len(sound.pcm) async for sound in espeak.synthesize(spoken, whole=True)]
    hurried = [len(sound.pcm) async for sound in espeak.synthesize(spoken, whole=False)]
    assert len(whole) == 1
    assert hurried[0] == 2 * 22050 * 60 // 1000 + 2
    assert 3 <= len(hurried) <= 8


@pytest.mark.parametrize("markup", ["<break time='9s'/>", "<speak>", "[[h@'loU]]", "\x01 50P", "\x01 80S"])
async def test_markup_and_commands_are_not_obeyed(espeak: Espeak, markup: str) -> None:
    plain = await speak(espeak, "hello, this is all of it", "en-us")
    marked = await speak(espeak, f"{markup} hello, this is all of it", "en-us")
    assert 0 < seconds(marked) - seconds(plain) < 5
    assert pitch_hz(marked[-len(plain) :]) == pytest.approx(pitch_hz(plain), rel=0.1)


@pytest.mark.parametrize("text", ["one\0two three four five six", "\0", "\ud800 half", "\x7f\x1b[2J", "", " ", "😀"])
async def test_strange_characters_are_taken(espeak: Espeak, text: str) -> None:
    pcm = await speak(espeak, text, "en-us")
    assert seconds(pcm) > (1.0 if "six" in text else -1)
    assert rms(await speak(espeak, "next", "en-us")) > 1000


# --- marks ---


async def marks_of(
    backend: Espeak, text: str, voice: str = "en-us", *, whole: bool = True
) -> tuple[list[Mark], list[Mark], "np.ndarray[tuple[int], np.dtype[np.int16]]"]:
    """Return words and phonemes as they came, and what is heard."""
    spoken = Utterance(text, backend.find_voice(voice), marks=True)
    sounds = [sound async for sound in backend.synthesize(spoken, whole=whole)]
    marks = [mark for sound in sounds for mark in sound.marks]
    words = [mark for mark in marks if mark.kind is MarkKind.WORD]
    phonemes = [mark for mark in marks if mark.kind is MarkKind.PHONEME]
    return words, phonemes, np.frombuffer(b"".join(sound.pcm for sound in sounds), "<i2")


async def test_nothing_is_marked_unasked(espeak: Espeak) -> None:
    spoken = Utterance(ENGLISH, espeak.find_voice("en-us"))
    assert [sound.marks async for sound in espeak.synthesize(spoken, whole=True)] == [()]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("text", "voice"),
    [(CHINESE * 5, "cmn+f2"), (ENGLISH * 4, "en-us"), (KANA, "ja"), (MIXED, "cmn"), ("新年好！ 1234, ok? 🎉", "cmn")],
)
async def test_marks_are_in_order_and_within_the_speech(espeak: Espeak, text: str, voice: str, whole: bool) -> None:
    words, phonemes, pcm = await marks_of(espeak, text, voice, whole=whole)
    for marks in (words, phonemes):
        times = [time for mark in marks for time in (mark.start, mark.end)]
        assert times == sorted(times)
        assert 0 <= times[0] < 0.1
        assert seconds(pcm) - 0.5 < times[-1] <= seconds(pcm)
    assert all(mark.end > mark.start for mark in words)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("text", "voice", "words"),
    [
        (
            "Hello, world. It's 1234 today! Don't stop.",
            "en-us",
            ["Hello", "world", "It's", "1234", "today", "Don't", "stop"],
        ),
        ("你好，欢迎来到直播间！", "cmn", ["你好", "欢迎", "来", "到", "直", "播", "间"]),
        ("(Really?) «Yes»… no", "en-us", ["Really", "Yes", "no"]),
        ("नमस्ते आप कैसे हैं", "hi", ["नमस्ते", "आप", "कैसे", "हैं"]),
    ],
)
async def test_words_are_slices_of_the_text(
    espeak: Espeak, text: str, voice: str, words: list[str], whole: bool
) -> None:
    found, _, _ = await marks_of(espeak, text, voice, whole=whole)
    assert [mark.text for mark in found] == words


async def test_phonemes_are_ipa(espeak: Espeak) -> None:
    _, phonemes, _ = await marks_of(espeak, "hello", "en-us")
    assert [mark.text for mark in phonemes] == ["h", "ə", "l", "ˈoʊ"]
    _, phonemes, _ = await marks_of(espeak, "吃他", "cmn")
    assert [mark.text for mark in phonemes] == ["ʈʂʰ", "ˈɻ̩", "tʰ", "ˈɑ"]


@pytest.mark.parametrize(
    ("text", "voice"), [("One. Two. Three. Four. Five.", "en-us"), ("一。二。三。四。五。", "cmn+f2")]
)
async def test_words_are_heard_where_they_are_marked(espeak: Espeak, text: str, voice: str) -> None:
    words, _, pcm = await marks_of(espeak, text, voice)
    loud = np.abs(pcm.astype(int)) > 2000  # the voice has an echo, of up to 1500
    for word, following in zip(words, [*words[1:], None], strict=True):
        first, last = round(word.start * 22050), round(word.end * 22050)
        heard = np.flatnonzero(loud[first:last]) / 22050
        assert heard[0] < 0.1
        assert heard[-1] > word.end - word.start - 0.1
        pause = slice(last + 1100, round(following.start * 22050) - 220 if following is not None else None)
        assert not loud[pause].any()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("voice", "characters"),
    [
        ("cmn", CHINESE + "一百长重，。！ abc12"),
        ("en-us", "abc de FG .,!?'-12 $%&@#()"),
        ("hi", "नमस्ते आप ।12 ab"),
        ("ja", KANA),
    ],
)
async def test_marks_keep_their_laws_whatever_is_spoken(
    espeak: Espeak, voice: str, characters: str, whole: bool
) -> None:
    rng = random.Random(voice)
    for length in (1, 2, 5, 10, 20, 40, 80, 160):
        text = "".join(rng.choices(characters, k=length))
        words, phonemes, pcm = await marks_of(espeak, text, voice, whole=whole)
        for marks in (words, phonemes):
            times = [0.0, *(time for mark in marks for time in (mark.start, mark.end)), seconds(pcm)]
            assert times == sorted(times), text
        place = 0
        for mark in words:
            assert mark.text.strip() == mark.text != ""
            place = text.index(mark.text, place) + len(mark.text)


async def test_sound_is_the_same_with_marks(espeak: Espeak) -> None:
    _, _, pcm = await marks_of(espeak, CHINESE, "cmn+f2")
    assert seconds(pcm) == pytest.approx(seconds(await speak(espeak, CHINESE)), rel=0.01)


async def spoken_first(voice: str, *, whole: bool) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    """What a new worker says first: espeak-ng's dice fall the same in each."""
    backend = Espeak(workers=1)
    async with backend.running():
        return await speak(backend, CHINESE, voice, whole=whole)


async def test_a_stream_of_the_usual_voice_is_the_same_sound_to_the_sample(espeak: Espeak) -> None:
    usual = espeak.choose_voice("zh-CN").id
    whole, streamed = await spoken_first(usual, whole=True), await spoken_first(usual, whole=False)
    assert np.array_equal(whole, streamed)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("variant", ["f1", "f2", "f3", "f4", "f5", "m1", "m2", "m4", "m7"])
async def test_the_end_of_an_echo_is_heard(espeak: Espeak, variant: str, whole: bool) -> None:
    for text in ("你好", "今天", "谢谢老板送的火箭", CHINESE):
        pcm = await speak(espeak, text, f"cmn+{variant}", whole=whole)
        assert np.abs(pcm[-20:].astype(int)).max() < 0.02 * np.abs(pcm.astype(int)).max()


# --- voices ---


async def test_espeak_is_a_backend_that_is_there(espeak: Espeak) -> None:
    backend: Backend = espeak
    assert backend.health().available
    assert (backend.name, backend.sample_rate, backend.concurrency) == ("espeak", 22050, 1)


async def test_voices_are_the_librarys_own(espeak: Espeak) -> None:
    voices = espeak.voices()
    assert len({voice.id for voice in voices}) == len(voices) == 1380
    assert {"zh-CN", "zh-HK", "en-US", "en-GB", "ja", "ko", "fr-FR", "pt-BR", "es-419", "hi", "vi"} <= {
        voice.language for voice in voices
    }
    assert espeak.find_voice("cmn+f2") == Voice(
        "cmn+f2", "Chinese (Mandarin), female 2", "zh-CN", Gender.FEMALE, "espeak"
    )


async def test_list_of_voices_is_far_below_a_message(espeak: Espeak) -> None:
    listed = [[voice.id, voice.name, voice.language, voice.gender, voice.backend] for voice in espeak.voices()]
    assert len(json.dumps(listed)) < 300_000


async def test_every_language_speaks_and_has_its_dictionary(espeak: Espeak, caplog: pytest.LogCaptureFixture) -> None:
    plain = [voice for voice in espeak.voices() if "+" not in voice.id]
    assert len(plain) == 138
    for voice in plain:
        assert len(await speak(espeak, "1, 2", voice.id)) > 1000, voice
    assert "dictionary" not in caplog.text


async def test_variants_sound_different(espeak: Espeak) -> None:
    female, male = await speak(espeak, CHINESE, "cmn+f2"), await speak(espeak, CHINESE, "cmn+m1")
    assert pitch_hz(female) > 1.5 * pitch_hz(male)


@pytest.mark.parametrize("variant", ["Annie", "croak", "Mr serious", "whisper"])
async def test_variants_that_are_not_listed_speak_too(espeak: Espeak, variant: str) -> None:
    assert rms(await speak(espeak, CHINESE, f"cmn+{variant}")) > 300


async def test_unknown_voice_is_not_found_and_the_next_speaks(espeak: Espeak) -> None:
    stranger = replace(espeak.find_voice("cmn"), id="zh-CN-XiaoxiaoNeural")
    with pytest.raises(VoiceNotFound):
        await anext(espeak.synthesize(Utterance("你好", stranger), whole=True))
    assert rms(await speak(espeak, CHINESE)) > 1500


async def test_worker_that_refuses_a_voice_is_believed(espeak: Espeak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tts.backends.espeak.Job.encode", _job_for_a_lost_voice)
    with pytest.raises(VoiceNotFound, match="'cmn'"):
        await anext(espeak.synthesize(Utterance("你好", espeak.find_voice("cmn")), whole=True))


def _job_for_a_lost_voice(job: object) -> bytes:
    return bytes(12) + b"\1\0" + b"x"


async def test_voice_is_chosen_by_language(espeak: Espeak) -> None:
    assert espeak.choose_voice("zh-CN").id == "cmn+f1"
    assert espeak.choose_voice("en", like="zh-CN-YunxiNeural").id == "en-us"
    with pytest.raises(VoiceNotFound):
        espeak.choose_voice("tlhx")


# --- bounds ---


async def test_speech_without_end_is_too_long() -> None:
    backend = Espeak(workers=1, max_seconds=20)
    async with backend.running():
        with pytest.raises(TextTooLong, match="289 characters makes more than 20 seconds") as caught:
            await speak(backend, RARE)
        assert (caught.value.limit, caught.value.unit) == (20, "seconds")
        assert seconds(await speak(backend, CHINESE)) == pytest.approx(3.4, rel=0.3)


async def test_hurried_speech_is_heard_up_to_the_bound() -> None:
    backend, heard = Espeak(workers=1, max_seconds=20), 0
    async with backend.running():
        with pytest.raises(TextTooLong):
            async for sound in backend.synthesize(Utterance(RARE, backend.find_voice("cmn")), whole=False):
                heard += len(sound.pcm)
    assert 0 < heard <= 20 * 44100


async def test_text_that_kills_espeak_costs_one_request_at_most(espeak: Espeak) -> None:
    for whole in (True, False):
        with suppress(WorkerLost):  # which is what 1.52.0 does
            await speak(espeak, CRASH, "hi", whole=whole)
        assert rms(await speak(espeak, CHINESE)) > 1500
        assert espeak.health().available


async def test_three_callers_through_two_workers_get_their_own_speech() -> None:
    backend, durations = Espeak(workers=2), [(CHINESE, 3.4), ("你好", 0.46), (ENGLISH, 2.7)]

    async def hammer(text: str, expected: float) -> None:
        for turn in range(20):
            pcm = await speak(backend, text, whole=bool(turn % 2))
            assert seconds(pcm) == pytest.approx(expected, rel=0.3)
            assert rms(pcm) > 1500

    async with backend.running(), anyio.create_task_group() as tasks:
        for text, expected in durations:
            tasks.start_soon(hammer, text, expected)


async def test_speech_that_is_closed_leaves_the_worker_as_it_was(espeak: Espeak) -> None:
    worker = psutil.Process().children()[0]
    spoken = Utterance(CHINESE * 20, espeak.find_voice("cmn"))
    async with aclosing(espeak.synthesize(spoken, whole=False)) as chunks:
        assert await anext(chunks)
    assert seconds(await speak(espeak, CHINESE)) == pytest.approx(3.4, rel=0.3)
    assert psutil.Process().children() == [worker]


async def test_worker_that_hangs_is_given_up() -> None:
    backend = Espeak(workers=1, job_timeout=0.2)
    async with backend.running():
        worker = psutil.Process().children()[-1]
        worker.suspend()
        with pytest.raises(DeadlineExceeded):
            await speak(backend, CHINESE)


async def test_worker_stays_small(espeak: Espeak) -> None:
    for _ in range(50):
        await speak(espeak, CHINESE)
    assert psutil.Process().children()[0].memory_info().rss < 25_000_000


async def test_worker_does_not_see_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_SECRET", "hidden")
    backend = Espeak(workers=1)
    async with backend.running():
        assert "AUTH_SECRET" not in psutil.Process().children()[0].environ()


# --- absence ---


async def test_backend_that_was_not_started_says_so() -> None:
    backend = Espeak()
    assert backend.health().reason == "it has not been started"
    assert backend.voices() == ()
    stranger = Voice("cmn", "Chinese", "zh-CN", Gender.MALE, "espeak")
    with pytest.raises(BackendUnavailable, match="not been started"):
        await anext(backend.synthesize(Utterance("你好", stranger), whole=True))


async def test_backend_that_was_stopped_says_so() -> None:
    backend = Espeak(workers=1)
    async with backend.running():
        pass
    assert backend.health().reason == "it has been stopped"


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'espeakng_loader'"), RuntimeError("no data")])
async def test_missing_package_is_told_with_what_to_do(error: Exception) -> None:
    def missing() -> tuple[str, str]:
        raise error

    backend = Espeak(library=missing)
    async with backend.running():
        reason = backend.health().reason or ""
        assert str(error) in reason
        assert "pip install" in reason
        assert backend.voices() == ()


async def test_damaged_library_is_told_with_what_to_do(tmp_path: Path) -> None:
    backend = Espeak(workers=1, library=lambda: (f"{tmp_path}/libespeak-ng.so", str(tmp_path)))
    async with backend.running():
        reason = backend.health().reason or ""
        assert "cannot open shared object file" in reason
        assert "pip install" in reason


async def test_missing_data_is_told(tmp_path: Path) -> None:
    backend = Espeak(workers=1, library=lambda: (find_library()[0], str(tmp_path)))
    async with backend.running():
        assert "finds no data" in (backend.health().reason or "")


async def test_waiting_speech_fails_when_no_worker_comes_back(tmp_path: Path) -> None:
    library, data = find_library()
    link = tmp_path / "library"
    link.symlink_to(library)
    backend = Espeak(workers=1, library=lambda: (str(link), data))
    async with backend.running(), anyio.create_task_group() as tasks:
        tasks.start_soon(_crash, backend)
        await anyio.lowlevel.checkpoint()
        link.unlink()
        with pytest.raises(BackendUnavailable, match="cannot open shared object file"):
            await speak(backend, CHINESE)


async def _crash(backend: Espeak) -> None:
    with suppress(WorkerLost):
        await speak(backend, CRASH, "hi")


async def test_kanji_are_spoken_as_they_are_read() -> None:
    backend = Espeak(workers=1, warm=(), to_kana=lambda text: text.replace("配信", "ハイシン"))
    async with backend.running():
        read = seconds(await speak(backend, "配信です", "ja"))
        kana = seconds(await speak(backend, "ハイシンです", "ja"))
        chinese = seconds(await speak(backend, "配信", "cmn"))
    assert read == pytest.approx(kana, rel=0.05)
    assert 0.2 < chinese < 1.0
