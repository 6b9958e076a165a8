import math
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from app.audio.loudness import loudness
from app.audio.pcm import from_bytes, to_float32
from app.errors import NothingToSpeak
from app.tts.backends.tone import Tone
from app.tts.leveler import Leveler
from app.tts.score import (
    CHUNK_SECONDS,
    CLOSE_SECONDS,
    MAX_MARK_SECONDS,
    MIN_MARK_SECONDS,
    Pause,
    Phrase,
    Score,
    Seam,
    perform,
    play,
    silence,
)
from app.tts.speech import Gender, Mark, MarkKind, Sound, Utterance, Voice
from app.tts.treatment import Treatment

pytestmark = pytest.mark.anyio

VOICE = Voice("zh", "Tones (Chinese)", "zh-CN", Gender.FEMALE, "tone")
LOW = Voice("en-low", "Low tones (English)", "en-US", Gender.MALE, "tone")
RATE = 8000


class Padded(Tone):
    """Tones with 0.2 s of silence around each utterance, and a mark where the sound is."""

    async def synthesize(self, utterance, *, whole):
        async with aclosing(super().synthesize(utterance, whole=whole)) as sounds:
            pcm = b"".join([sound.pcm async for sound in sounds])
        seconds = len(pcm) / 2 / RATE
        pad = silence(0.2, RATE)
        yield Sound(pad + pcm + pad, (Mark(MarkKind.WORD, utterance.text, 0.2, 0.2 + seconds),))


def phrase(text: str, voice: Voice = VOICE, gain: float = 0.0) -> Phrase:
    return Phrase(Utterance(text, voice), gain)


def seconds(sound: Sound) -> float:
    return len(sound.pcm) / 2 / RATE


async def test_one_phrase_is_passed_on_untouched():
    utterance = Utterance("你好", VOICE)
    tone = Tone(sample_rate=RATE)
    [alone] = [sound async for sound in tone.synthesize(utterance, whole=True)]
    assert await perform(tone, Score.of(utterance)) == alone


async def test_parts_follow_each_other_and_pauses_are_exact():
    sound = await perform(Tone(sample_rate=RATE), Score((phrase("ab"), Pause(0.5), phrase("c"))))
    assert seconds(sound) == pytest.approx(0.65)
    assert not from_bytes(sound.pcm)[1000:4500].any()


async def test_silence_where_phrases_meet_goes_and_marks_move_with_the_sound():
    score = Score((phrase("他说"), phrase("nice", LOW), phrase("对")))
    sound = await perform(Padded(sample_rate=RATE), score)
    assert seconds(sound) == pytest.approx(0.2 + 0.1 + 0.2 + 0.05 + 0.2 + 4 * CLOSE_SECONDS, abs=0.02)
    assert [mark.text for mark in sound.marks] == ["他说", "nice", "对"]
    samples = np.abs(from_bytes(sound.pcm).astype(int))
    for mark in sound.marks:
        middle = round((mark.start + mark.end) / 2 * RATE)
        assert samples[middle - 100 : middle + 100].max() > 1000
        assert samples[max(round(mark.start * RATE) - 80, 0) : round(mark.start * RATE)].max() < 100


async def test_the_pause_behind_a_sentence_stays():
    close = await perform(Padded(sample_rate=RATE), Score((phrase("你好"), phrase("a", LOW))))
    apart = await perform(Padded(sample_rate=RATE), Score((phrase("你好。"), phrase("a", LOW))))
    assert seconds(apart) - seconds(close) == pytest.approx(0.05 + 0.2 - CLOSE_SECONDS, abs=0.01)


async def test_a_voice_that_leaves_no_pause_behind_a_sentence_gets_one():
    sound = await perform(Tone(sample_rate=RATE), Score((phrase("好。"), phrase("a", LOW))))
    assert seconds(sound) == pytest.approx(0.15 + MIN_MARK_SECONDS, abs=0.001)


async def test_edges_inside_are_zero():
    class Square(Tone):
        async def synthesize(self, utterance, *, whole):
            yield Sound(np.full(400, 9000, "<i2").tobytes())

    samples = from_bytes((await perform(Square(sample_rate=RATE), Score((phrase("a"), phrase("b"))))).pcm)
    assert (samples[0], samples[399], samples[400], samples[-1]) == (9000, 0, 0, 9000)


async def test_a_silent_phrase_takes_its_time():
    sound = await perform(Tone(sample_rate=RATE), Score((phrase("ab", gain=-math.inf), phrase("c"))))
    samples = from_bytes(sound.pcm)
    assert len(samples) == 1200 and not samples[:800].any() and samples[800:].any()


async def test_a_gain_changes_one_phrase():
    plain = from_bytes((await perform(Tone(sample_rate=RATE), Score.of(Utterance("a", VOICE)))).pcm)
    soft = from_bytes((await perform(Tone(sample_rate=RATE), Score((phrase("a", gain=-6.0206),)))).pcm)
    assert np.abs(plain / 2 - soft).max() < 2


async def test_parts_can_be_played_while_they_are_made():
    tone = Tone(sample_rate=RATE)
    assert [sound async for sound in play(tone, Pause(0.1))] == [Sound(silence(0.1, RATE))]
    assert len([sound async for sound in play(tone, phrase("abc", gain=3.0))]) == 3


async def test_a_piece_is_played_with_the_silence_that_is_behind_it():
    piece = Phrase(Utterance("ab", VOICE), seam=Seam(follows=False, tail=(0.1, 0.4)))
    sounds = [sound async for sound in play(Tone(sample_rate=RATE), piece)]
    assert sum(seconds(sound) for sound in sounds) == pytest.approx(0.2, abs=0.001)


async def test_pieces_are_played_as_a_whole_score_is_performed():
    score = Score((phrase("你好，"), phrase("hello", LOW), Pause(0.2), phrase("再见")))
    voice = Padded(sample_rate=RATE)
    whole = await perform(voice, score)
    played = [sound for part in score.cut(size=99, first_size=99) async for sound in play(voice, part)]
    assert b"".join(sound.pcm for sound in played) == whole.pcm


def test_a_score_without_a_phrase_is_none():
    with pytest.raises(NothingToSpeak):
        Score((Pause(1.0),))


def test_the_voice_of_a_score_is_the_one_that_speaks_most():
    assert Score((phrase("你"), phrase("hello", LOW), phrase("好吗"))).voice == LOW
    assert Score((phrase("你好"), phrase("ab", LOW))).voice == VOICE


def test_cut_parts_are_short_and_in_order():
    score = Score((phrase("你好，欢迎来到直播间。今天玩游戏。"), Pause(0.2), phrase("ok", LOW)))
    parts = list(score.cut(size=10, first_size=4))
    assert [part.utterance.text for part in parts if isinstance(part, Phrase)] == [
        "你好，",
        "欢迎来到直播间。",
        "今天玩游戏。",
        "ok",
    ]
    between = (MIN_MARK_SECONDS, MAX_MARK_SECONDS)
    assert [part.seam for part in parts if isinstance(part, Phrase)] == [
        Seam(follows=False, tail=between),
        Seam(follows=True, tail=between),
        Seam(follows=True, tail=(0.0, CLOSE_SECONDS)),
        Seam(follows=True, tail=None),
    ]
    assert parts[3] == Pause(0.2)
    assert [part.utterance.voice for part in parts if isinstance(part, Phrase)] == [VOICE, VOICE, VOICE, LOW]


async def test_a_leveler_makes_phrases_equally_loud_and_volume_is_on_top_of_that():
    leveler = Leveler(target_lufs=-30)
    score = Score((phrase("你好吗朋友们"), Pause(0.5), phrase("hello friends", LOW, gain=-6.0)))
    sound = await perform(Tone(sample_rate=RATE), score, leveler)
    first, second = (to_float32(np.trim_zeros(half)) for half in np.split(from_bytes(sound.pcm), [3000]))
    assert loudness(first, sample_rate=RATE) == pytest.approx(-30, abs=1)
    assert loudness(second, sample_rate=RATE) == pytest.approx(-36, abs=1)


async def test_a_levelled_stream_is_as_long_as_the_sound():
    part = phrase("你好")
    for gain in (0.0, 3.0, -math.inf):
        async with aclosing(play(Tone(sample_rate=RATE), replace(part, gain=gain), Leveler())) as sounds:
            pcm = b"".join([sound.pcm async for sound in sounds])
        assert len(pcm) == 2 * round(0.1 * RATE)


TREATED = Treatment(pitch=12.0)
OCTAVE = Phrase(Utterance("xxxxxx", VOICE), treatment=TREATED)
"""220 Hz for 0.3 s, an octave higher."""


def loudest_hz(pcm: bytes, rate: int) -> float:
    samples = from_bytes(pcm)
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate / len(samples))


@pytest.mark.parametrize("leveler", [None, Leveler()])
async def test_a_phrase_is_treated_whole_or_played(leveler):
    tone = Tone(sample_rate=16_000)
    plain = await perform(tone, Score.of(OCTAVE.utterance), leveler)
    treated = await perform(tone, Score((OCTAVE,)), leveler)
    played = [sound async for sound in play(tone, OCTAVE, leveler)]
    assert loudest_hz(plain.pcm, 16_000) == pytest.approx(220, rel=0.03)
    assert loudest_hz(treated.pcm, 16_000) == pytest.approx(440, rel=0.03)
    assert sum(len(sound.pcm) for sound in played) == len(treated.pcm) == len(plain.pcm)
    assert loudest_hz(b"".join(sound.pcm for sound in played), 16_000) == pytest.approx(440, rel=0.03)


async def test_marks_of_a_treated_phrase_stay_and_its_rest_follows():
    utterance = Utterance("你好", VOICE, marks=True)
    part = Phrase(utterance, seam=Seam(follows=False, tail=(0.1, 0.4)), treatment=TREATED)
    plain = [sound async for sound in play(Tone(sample_rate=RATE), Phrase(utterance))]
    treated = [sound async for sound in play(Tone(sample_rate=RATE), part)]
    assert [mark for sound in treated for mark in sound.marks] == [mark for sound in plain for mark in sound.marks]
    assert sum(map(seconds, treated)) == pytest.approx(0.1 + sum(map(seconds, plain)), abs=0.001)


async def test_a_long_treated_phrase_is_handed_on_in_chunks():
    part = Phrase(Utterance("x" * 100, VOICE), treatment=Treatment(pitch_range=0.5))
    sounds = [sound async for sound in play(Tone(sample_rate=RATE), part)]
    assert [seconds(sound) for sound in sounds] == [CHUNK_SECONDS, 5.0 - CHUNK_SECONDS]


async def test_a_tilted_phrase_is_played_as_it_is_made():
    part = Phrase(Utterance("你好吗", VOICE), treatment=Treatment(tilt=3.0))
    assert len([sound async for sound in play(Tone(sample_rate=RATE), part)]) == 3


async def test_a_voice_in_another_manner_does_not_teach_how_loud_it_is():
    tone, leveler = Tone(sample_rate=16_000), Leveler()
    await perform(tone, Score((replace(OCTAVE, treatment=Treatment(tilt=-6.0)),)), leveler)
    await perform(tone, Score.of(replace(OCTAVE.utterance, pitch=7.0)), leveler)
    assert leveler.known.expect(VOICE) == leveler.known.expect(LOW)  # what is known of the backend
    await perform(tone, Score.of(OCTAVE.utterance), leveler)
    assert leveler.known.expect(VOICE) != leveler.known.expect(LOW)


def test_the_size_of_a_score_goes_by_letters_and_speed():
    def size(text, speed=1.0):
        return Phrase(Utterance(text, VOICE, speed)).size

    assert size("你好") == size("abcdef") == 6
    assert size("abcdef", speed=2.0) == 3
    assert size("\ud83d") > 0
    assert Score((Phrase(Utterance("abc", VOICE)), Pause(9.0), Phrase(Utterance("d", VOICE)))).size == 4
