"""The levels of made-up voices, and of the real espeak-ng in four languages."""

import math
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.loudness import loudness, to_amplitude, to_decibels, true_peak
from app.audio.pcm import from_bytes, to_bytes, to_float32, to_int16
from app.runtime.workers import Workers
from app.tts import leveler as levels
from app.tts.backends.espeak import Espeak
from app.tts.leveler import Impression, Leveler
from app.tts.speech import Gender, Utterance, Voice

pytestmark = pytest.mark.anyio

RATE = 22_050
TEXTS = {
    "cmn": ("今天直播间来了好多新朋友，欢迎大家多多关注", "谢谢老板送的火箭", "哈哈哈哈笑死我了，明天什么时候开播呢"),
    "en-us": (
        "Welcome to the show everyone, thank you so much for all of your gifts.",
        "What time do you start tomorrow?",
        "nice",
    ),
    "ja": ("みなさん、こんにちは。きょうもきてくれてありがとう", "あしたはなんじからですか", "かわいい"),
    "hi": ("आप सबका स्वागत है, धन्यवाद", "यह गाना बहुत अच्छा है", "मुझे यह खेल बहुत पसंद है"),
}


def voice(name: str = "a", backend: str = "fake") -> Voice:
    return Voice(name, name, "zh-CN", Gender.FEMALE, backend)


def speech(seconds: float = 2.0, *, peak_dbfs: float = -10.0, seed: int = 0, rate: int = RATE) -> bytes:
    """Syllables of a buzzing voice with pauses between."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.cos(2 * np.pi * 140 * k * time + rng.uniform(0, 6)) / k for k in range(1, 20))
    sound = buzz * np.clip(np.sin(2 * np.pi * 3.3 * time + 0.5), 0, None)
    return to_bytes(to_int16(sound / max(np.abs(sound).max(initial=0), 1e-9) * to_amplitude(peak_dbfs)))


def measure(pcm: bytes, rate: int = RATE) -> tuple[float | None, float]:
    samples = to_float32(from_bytes(pcm))
    return loudness(samples, sample_rate=rate), to_decibels(true_peak(samples))


def streamed(leveler: Leveler, pcm: bytes, *, volume: float = 0.0, lookahead: float = 0.0) -> bytes:
    """As espeak-ng streams: 60 ms, then ever longer chunks."""
    stream, out, size = leveler.stream(voice(), RATE, volume=volume, lookahead=lookahead), b"", 2_646
    while pcm:
        out += stream.push(pcm[:size])
        pcm, size = pcm[size:], 2 * size
    return out + stream.finish()


@pytest.mark.parametrize("rate", [8_000, 16_000, RATE, 24_000, 48_000])
@pytest.mark.parametrize("peak_dbfs", [-30.0, -12.0, -1.0])
@pytest.mark.parametrize("seconds", [0.2, 0.7, 3.0])
async def test_every_utterance_is_as_loud_as_asked_for(rate, peak_dbfs, seconds):
    pcm = speech(seconds, peak_dbfs=peak_dbfs, rate=rate)
    levelled = await Leveler(target_lufs=-20).level(pcm, voice=voice(), sample_rate=rate)
    lufs, peak = measure(levelled, rate)
    assert lufs == pytest.approx(-20, abs=1.0)
    assert peak <= -1.0
    assert len(levelled) == len(pcm)


@settings(max_examples=20, deadline=None)
@given(st.floats(-25, 0))
async def test_volume_is_on_top_of_the_target(volume):
    levelled = await Leveler(target_lufs=-20).level(speech(), voice=voice(), sample_rate=RATE, volume=volume)
    assert measure(levelled)[0] == pytest.approx(-20 + volume, abs=0.6)


async def test_a_raised_volume_does_not_clip():
    levelled = await Leveler().level(speech(), voice=voice(), sample_rate=RATE, volume=6)
    lufs, peak = measure(levelled)
    assert lufs > -14
    assert peak <= -1


def acquainted(lufs: float = -20.0, *, peak: float = -6.0) -> Leveler:
    leveler = Leveler()
    leveler.learn(voice(), Impression(lufs, levels.KNOWN_SECONDS, peak))
    return leveler


async def test_a_known_voice_keeps_its_gain():
    pcm = speech(2, peak_dbfs=-15)
    levelled = await acquainted().level(pcm, voice=voice(), sample_rate=RATE)
    assert measure(levelled)[0] == pytest.approx(measure(pcm)[0] + 4, abs=0.05)


async def test_a_known_voice_that_is_right_is_only_cut():
    loud = speech(2, peak_dbfs=0)
    levelled = await acquainted(-16.0).level(loud, voice=voice(), sample_rate=RATE)
    most = np.abs(from_bytes(levelled).astype(int)).max()
    assert most == pytest.approx(32_768 * to_amplitude(-1 - levels.CUT_MARGIN), abs=2)


@pytest.mark.parametrize(("seconds", "peak"), [(0.9, -6.0), (2.0, 0.0)])
async def test_short_lines_and_voices_with_high_peaks_are_measured_in_every_line(seconds, peak):
    pcm = speech(seconds, peak_dbfs=-15)
    levelled = await acquainted(peak=peak).level(pcm, voice=voice(), sample_rate=RATE)
    assert measure(levelled)[0] == pytest.approx(-16, abs=1)


async def test_a_known_voice_is_checked_now_and_then():
    leveler, pcm = acquainted(), speech(2, peak_dbfs=-15)
    for _ in range(levels.CHECK_EVERY - 1):
        await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    assert leveler.expect(voice()).lufs == -20
    await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    assert leveler.expect(voice()).lufs < -20.5


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(60_000)])
async def test_silence_stays_silence(pcm):
    leveler = Leveler()
    assert await leveler.level(pcm, voice=voice(), sample_rate=RATE) == pcm
    assert streamed(leveler, pcm) == pcm
    assert streamed(leveler, pcm, lookahead=4) == pcm
    assert leveler.expect(voice()).lufs == levels.UNKNOWN_LUFS


async def test_a_volume_of_nothing_is_silence_as_long():
    leveler, pcm = Leveler(), speech()
    assert await leveler.level(pcm, voice=voice(), sample_rate=RATE, volume=-math.inf) == bytes(len(pcm))
    assert streamed(leveler, pcm, volume=-math.inf) == bytes(len(pcm))
    assert streamed(leveler, pcm, volume=-math.inf, lookahead=4) == bytes(len(pcm))


async def test_what_is_right_already_is_passed_on():
    leveler = Leveler(target_lufs=-25)
    once = await leveler.level(speech(), voice=voice(), sample_rate=RATE)
    assert await leveler.level(once, voice=voice(), sample_rate=RATE) is once


async def test_hiss_is_not_made_a_voice():
    hiss = to_bytes(np.random.default_rng(0).integers(-30, 30, RATE).astype(np.int16))
    before = measure(hiss)[0]
    levelled = await Leveler().level(hiss, voice=voice(), sample_rate=RATE)
    assert measure(levelled)[0] == pytest.approx(before + levels.MAX_GAIN, abs=0.2)


async def test_long_speech_is_levelled_in_the_pool(monkeypatch):
    monkeypatch.setattr(levels, "LIGHT_BYTES", 1_000)
    workers = Workers({"codec": 1})
    levelled = await Leveler(workers=workers).level(speech(), voice=voice(), sample_rate=RATE)
    assert levelled == await Leveler().level(speech(), voice=voice(), sample_rate=RATE)


async def test_a_stream_of_a_known_voice_is_as_loud_as_a_whole():
    leveler, pcm = Leveler(), speech(4, peak_dbfs=-20)
    await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    lufs, peak = measure(streamed(leveler, pcm))
    assert lufs == pytest.approx(-16, abs=1)
    assert peak <= -1


async def test_a_stream_of_an_unknown_voice_becomes_right_by_itself():
    pcm = speech(4, peak_dbfs=-16)
    out = streamed(Leveler(), pcm)
    assert len(out) == len(pcm)
    assert measure(out[len(out) // 2 & ~1 :])[0] == pytest.approx(-16, abs=1.5)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.9])
async def test_a_stream_that_looks_ahead_to_its_end_is_levelled_as_a_whole(seconds):
    pcm = speech(seconds, peak_dbfs=-20)
    assert streamed(Leveler(), pcm, lookahead=4) == await Leveler().level(pcm, voice=voice(), sample_rate=RATE)


async def test_a_stream_that_looks_ahead_is_right_from_its_beginning():
    pcm = speech(6, peak_dbfs=-25)
    out = streamed(Leveler(), pcm, lookahead=2)
    assert len(out) == len(pcm)
    assert measure(out[: 2 * RATE])[0] == pytest.approx(-16, abs=1)


async def test_a_stream_that_looks_ahead_goes_out_as_soon_as_it_has_heard_enough():
    stream, half = Leveler().stream(voice(), RATE, lookahead=1.0), speech(0.5)
    assert stream.push(half) == b""
    assert len(stream.push(half)) > len(half)


async def test_streams_teach_the_leveler():
    leveler, pcm = Leveler(), speech(4, peak_dbfs=-25)
    streamed(leveler, pcm)
    assert leveler.expect(voice()).lufs == pytest.approx(measure(pcm)[0], abs=0.5)


async def test_a_new_voice_is_taken_for_the_others_of_its_backend():
    leveler = Leveler()
    leveler.learn(voice("a"), Impression(-28.0, 5.0))
    assert leveler.expect(voice("b")) == Impression(-28.0, levels.BACKEND_SECONDS)
    assert leveler.expect(voice("a")) == Impression(-28.0, levels.VOICE_SECONDS)
    assert leveler.expect(voice("a", "other")) == Impression(levels.UNKNOWN_LUFS, levels.UNKNOWN_SECONDS)


async def test_a_voice_that_changes_is_learned_anew():
    leveler = Leveler()
    leveler.learn(voice(), Impression(-28.0, 1000.0))
    for _ in range(30):
        leveler.learn(voice(), Impression(-18.0, 4.0))
    assert leveler.expect(voice()).lufs == pytest.approx(-18, abs=0.5)


async def test_no_more_voices_are_remembered_than_have_room(monkeypatch):
    monkeypatch.setattr(levels, "MAX_VOICES", 2)
    leveler = Leveler()
    for name in "aba":
        leveler.learn(voice(name), Impression(-20.0, 5.0))
    leveler.learn(voice("c"), Impression(-30.0, 5.0))
    assert [leveler.expect(voice(name)).seconds for name in "abc"] == [2.0, levels.BACKEND_SECONDS, 2.0]


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    backend = Espeak(workers=1)
    async with backend.running():
        yield backend


@pytest.mark.parametrize("language", TEXTS)
async def test_every_voice_of_espeak_lands_within_a_level_and_a_half(espeak, language):
    leveler = Leveler()
    for variant in ("", "+f2", "+m3", "+croak", "+whisper"):
        speaker = espeak.find_voice(language + variant)
        for text in TEXTS[language]:
            sounds = espeak.synthesize(Utterance(text, speaker), whole=True)
            pcm = b"".join([sound.pcm async for sound in sounds])
            lufs, peak = measure(await leveler.level(pcm, voice=speaker, sample_rate=RATE))
            assert lufs == pytest.approx(-16, abs=1.5), (speaker.id, text)
            assert peak <= -0.95, (speaker.id, text)  # espeak-ng is never twice the same


@pytest.mark.parametrize("language", TEXTS)
async def test_lines_of_known_voices_of_espeak_do_too(espeak, language):
    leveler = Leveler()
    for speaker in (espeak.find_voice(language + variant) for variant in ("+f1", "+f2", "+f5", "+m7")):
        for text in 4 * TEXTS[language]:
            sounds = espeak.synthesize(Utterance(text, speaker), whole=True)
            pcm = b"".join([sound.pcm async for sound in sounds])
            lufs, peak = measure(await leveler.level(pcm, voice=speaker, sample_rate=RATE))
            assert lufs == pytest.approx(-16, abs=1.5), (speaker.id, text)
            assert peak <= -0.95, (speaker.id, text)  # espeak-ng is never twice the same
