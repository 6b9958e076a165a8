"""The levels of made-up voices, and of the real espeak-ng in ten languages."""

import math
from collections.abc import AsyncIterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.level import MAX_GAIN
from app.audio.loudness import to_amplitude
from app.audio.pcm import from_bytes, to_bytes
from app.runtime.workers import Workers
from app.tts import leveler as levels
from app.tts.acquaintance import Impression
from app.tts.backends.espeak import Espeak
from app.tts.leveler import Leveler
from app.tts.score import Phrase, play
from app.tts.speech import Utterance
from tests.tts.buzz import RATE, clicks, measure, speech, voice

pytestmark = pytest.mark.anyio

TEXTS = {
    "cmn": ("今天直播间来了好多新朋友，欢迎大家多多关注", "谢谢老板送的火箭", "哈哈哈哈笑死我了，明天什么时候开播呢"),
    "en-us": (
        "Welcome to the show everyone, thank you so much for all of your gifts.",
        "What time do you start tomorrow?",
        "That was amazing, I did not expect you to win, well played! Can you show us the last part again please?",
    ),
    "ja": ("みなさん、こんにちは。きょうもきてくれてありがとう", "あしたはなんじからですか", "かわいいですね"),
    "hi": ("आप सबका स्वागत है, धन्यवाद", "यह गाना बहुत अच्छा है", "मुझे यह खेल बहुत पसंद है"),
    "de": ("Herzlich willkommen in der Sendung, vielen Dank für die Geschenke!", "Wann fängst du morgen an?"),
    "ru": ("Добро пожаловать на стрим, спасибо за подарки!", "Когда завтра начало?"),
    "fr-fr": ("Bienvenue à tous, merci beaucoup pour vos cadeaux.", "C'est vraiment très beau"),
    "vi": ("Chào mừng các bạn đến với buổi phát trực tiếp", "Cảm ơn các bạn rất nhiều"),
    "ar": ("مرحبا بكم في البث المباشر", "شكرا جزيلا"),
    "ko": ("여러분 안녕하세요, 오늘도 와 주셔서 감사합니다", "정말 좋아요"),
}
VARIANTS = ("", "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m7", "croak", "whisper", "whisperf", "Annie")


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


def acquainted(pcm: bytes, *, lufs: float, peak: float = -6.0) -> Leveler:
    """One that takes such a sound for so loud."""
    leveler, level = Leveler(), levels.glance(from_bytes(pcm))
    leveler.known.learn(voice(), Impression(lufs, levels.KNOWN_SECONDS, peak, rms=level))
    return leveler


@pytest.mark.parametrize("peak_dbfs", [-20.0, -15.0, -9.0])
async def test_of_a_known_voice_a_glance_is_enough(peak_dbfs):
    known = speech(2, peak_dbfs=-15)
    leveler = acquainted(known, lufs=-23.0, peak=-15.0)
    before = leveler.known.voice(voice())
    pcm = speech(2, peak_dbfs=peak_dbfs)
    levelled = await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    assert measure(levelled)[0] == pytest.approx(measure(known)[0] + 7, abs=0.2)
    assert leveler.known.voice(voice()) is before


async def test_a_known_voice_that_is_right_is_only_cut():
    loud = speech(2, peak_dbfs=0)
    levelled = await acquainted(loud, lufs=-16.0).level(loud, voice=voice(), sample_rate=RATE)
    most = np.abs(from_bytes(levelled).astype(int)).max()
    assert most == pytest.approx(32_768 * to_amplitude(-1 - levels.CUT_MARGIN), abs=2)


@pytest.mark.parametrize(("seconds", "peak"), [(1.4, -6.0), (2.0, 0.0)])
async def test_short_lines_and_voices_with_high_peaks_are_measured_in_every_line(seconds, peak):
    pcm = speech(seconds, peak_dbfs=-15)
    levelled = await acquainted(pcm, lufs=-30.0, peak=peak).level(pcm, voice=voice(), sample_rate=RATE)
    assert measure(levelled)[0] == pytest.approx(-16, abs=1)


async def test_a_known_voice_is_checked_now_and_then():
    pcm = speech(2, peak_dbfs=-15)
    leveler = acquainted(pcm, lufs=-20.0)
    for _ in range(levels.CHECK_EVERY - 1):
        await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    assert leveler.known.expect(voice()).lufs == -20
    await leveler.level(pcm, voice=voice(), sample_rate=RATE)
    assert leveler.known.expect(voice()).lufs < -20.5


async def test_silence_of_a_known_voice_stays_silence():
    silence = bytes(4 * RATE)
    assert await acquainted(speech(), lufs=-20.0).level(silence, voice=voice(), sample_rate=RATE) == silence


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(60_000)])
async def test_silence_stays_silence(pcm):
    leveler = Leveler()
    assert await leveler.level(pcm, voice=voice(), sample_rate=RATE) == pcm
    assert leveler.known.voice(voice()) is None


async def test_a_volume_of_nothing_is_silence_as_long():
    leveler, pcm = Leveler(), speech()
    assert await leveler.level(pcm, voice=voice(), sample_rate=RATE, volume=-math.inf) == bytes(len(pcm))


async def test_what_is_right_already_is_passed_on():
    leveler = Leveler(target_lufs=-25)
    once = await leveler.level(speech(), voice=voice(), sample_rate=RATE)
    assert await leveler.level(once, voice=voice(), sample_rate=RATE) is once


async def test_hiss_is_not_made_a_voice():
    hiss = to_bytes(np.random.default_rng(0).integers(-30, 30, RATE).astype(np.int16))
    before = measure(hiss)[0]
    levelled = await Leveler().level(hiss, voice=voice(), sample_rate=RATE)
    assert measure(levelled)[0] == pytest.approx(before + MAX_GAIN, abs=0.2)


async def test_long_speech_is_levelled_in_the_pool(monkeypatch):
    monkeypatch.setattr(levels, "LIGHT_BYTES", 1_000)
    workers = Workers({"codec": 1})
    levelled = await Leveler(workers=workers).level(speech(), voice=voice(), sample_rate=RATE)
    assert levelled == await Leveler().level(speech(), voice=voice(), sample_rate=RATE)


@pytest.mark.parametrize("hz", [50.0, 60.0, 75.0])
async def test_a_voice_of_pulses_is_as_loud_as_any(hz):
    pcm = clicks(hz=hz)
    assert measure(pcm)[0] < -19
    lufs, peak = measure(await Leveler().level(pcm, voice=voice(), sample_rate=RATE))
    assert lufs == pytest.approx(-16, abs=1.5)
    assert peak <= -1


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    backend = Espeak(workers=1)
    async with backend.running():
        yield backend


@pytest.mark.parametrize("language", TEXTS)
async def test_every_voice_of_espeak_lands_within_a_level_and_a_half(espeak, language):
    leveler = Leveler()
    for variant in VARIANTS:
        speaker = espeak.find_voice(f"{language}+{variant}".rstrip("+"))
        for text in TEXTS[language]:
            pcm = b"".join([sound.pcm async for sound in espeak.synthesize(Utterance(text, speaker), whole=True)])
            lufs, peak = measure(await leveler.level(pcm, voice=speaker, sample_rate=RATE))
            assert lufs == pytest.approx(-16, abs=1.5), (speaker.id, text)
            assert peak <= -1, (speaker.id, text)


@pytest.mark.parametrize("language", TEXTS)
async def test_streams_of_every_voice_of_espeak_do_too(espeak, language):
    for variant in VARIANTS:
        leveler, speaker = Leveler(), espeak.find_voice(f"{language}+{variant}".rstrip("+"))
        for text in TEXTS[language]:
            played = play(espeak, Phrase(Utterance(text, speaker)), leveler)
            lufs, peak = measure(b"".join([sound.pcm async for sound in played]))
            assert lufs == pytest.approx(-16, abs=1.5), (speaker.id, text)
            assert peak <= -1, (speaker.id, text)


@pytest.mark.parametrize(("seconds", "lookahead"), [(0.12, 0.5), (0.85, 0.0), (60.0, 0.0)])
@pytest.mark.parametrize("language", ["cmn", "en-us", "ru", "vi"])
async def test_streams_do_too_in_whatever_portions_they_come(espeak, language, seconds, lookahead):
    """As edge sends, as xtts makes them, and sentence by sentence as piper and kokoro do."""
    size = 2 * round(seconds * RATE)
    for variant in ("", "f1", "f5", "m1", "m4", "m7"):
        leveler, speaker = Leveler(), espeak.find_voice(f"{language}+{variant}".rstrip("+"))
        for text in 2 * TEXTS[language]:
            pcm = b"".join([sound.pcm async for sound in espeak.synthesize(Utterance(text, speaker), whole=True)])
            stream = leveler.stream(speaker, RATE, lookahead=lookahead)
            portions = [stream.push(pcm[start : start + size]) for start in range(0, len(pcm), size)]
            lufs, peak = measure(b"".join((*portions, stream.finish())))
            assert lufs == pytest.approx(-16, abs=1.5), (speaker.id, text)
            assert peak <= -1, (speaker.id, text)


@pytest.mark.parametrize("language", TEXTS)
async def test_lines_of_known_voices_of_espeak_do_too(espeak, language):
    leveler, words = Leveler(), " ".join(TEXTS[language])
    for speaker in (espeak.find_voice(f"{language}+{variant}") for variant in ("f1", "f2", "f5", "m7")):
        texts = [words[start : start + size] for size in (40, 25, 14, 10) for start in range(0, 40, 5)]
        for text in texts:
            pcm = b"".join([sound.pcm async for sound in espeak.synthesize(Utterance(text, speaker), whole=True)])
            lufs, peak = measure(await leveler.level(pcm, voice=speaker, sample_rate=RATE))
            if len(pcm) >= RATE:
                assert lufs == pytest.approx(-16, abs=1.5), (speaker.id, text)
            assert peak <= -1, (speaker.id, text)
