import json
from dataclasses import dataclass, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.format import Format
from app.audio.resample import ResampleQuality
from app.tts import disk_entry
from app.tts.disk_entry import HEADER_BYTES, name_of, pack, unpack
from app.tts.output import Output
from app.tts.speech import Gender, Mark, MarkKind, Speech, Utterance, Voice

NUMBERS = st.floats(0, 1e6)
VOICES = st.builds(Voice, gender=st.sampled_from(Gender), version=st.text(max_size=5))
MARKS = st.builds(Mark, kind=st.sampled_from(MarkKind), start=NUMBERS, end=NUMBERS)
SPEECHES = st.builds(
    Speech,
    audio=st.binary(max_size=300),
    format=st.sampled_from(Format),
    duration=NUMBERS,
    voice=VOICES,
    marks=st.lists(MARKS, max_size=3).map(tuple),
    fallback_from=st.none(),
    cached=st.just(False),
)
VOICE = Voice("v", "V", "zh-CN", Gender.FEMALE, "costly")
UTTERANCE = Utterance("你好", VOICE)
OUTPUT = Output(Format.WAV, 22_050, None, ResampleQuality.HIGH)
PLAN = (UTTERANCE, OUTPUT)
SPEECH = Speech(b"RIFF" * 50, Format.WAV, 22_050, 1.5, VOICE, (Mark(MarkKind.WORD, "你好", 0.0, 0.4),))


@given(SPEECHES)
def test_unpacked_is_what_was_packed(speech):
    assert unpack("n", pack("n", speech)) == speech


def test_everything_of_speech_is_stored_but_who_should_have_spoken_and_that_it_was_cached():
    stored = {"audio", "format", "sample_rate", "duration", "voice", "marks"}
    assert {field.name for field in fields(Speech)} == stored | {"fallback_from", "cached"}


@given(SPEECHES, st.data())
def test_a_torn_file_is_recognised(speech, data):
    packed = pack("n", speech)
    assert unpack("n", packed[: data.draw(st.integers(0, len(packed) - 1))]) is None
    assert unpack("n", packed + b"\0") is None


@given(SPEECHES, st.data())
def test_a_flipped_bit_is_recognised(speech, data):
    packed = bytearray(pack("n", speech))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert unpack("n", bytes(packed)) is None


def test_zeros_are_recognised():
    assert unpack("n", bytes(len(pack("n", SPEECH)))) is None


def test_a_file_under_the_name_of_another_is_recognised():
    assert unpack("other", pack("n", SPEECH)) is None


@pytest.mark.parametrize(
    ("was", "now"), [("marks", "words"), ("gender", "sex"), ("female", "unheard"), ("wav", "tape")]
)
def test_a_file_that_describes_speech_otherwise_is_not_understood(monkeypatch, was, now):
    dumps = json.dumps
    monkeypatch.setattr(json, "dumps", lambda *args, **options: dumps(*args, **options).replace(f'"{was}"', f'"{now}"'))
    assert unpack("n", pack("n", SPEECH)) is None


def test_the_header_has_the_documented_size():
    assert HEADER_BYTES == 8 + 4 + 8 + 32


def test_a_name_is_the_same_in_every_process():
    assert name_of(PLAN) == name_of((replace(UTTERANCE), replace(OUTPUT)))
    assert name_of(("a", 1, 1.5, None, Format.WAV)) == (
        "681d0495b2ba7302b2bffcb15be483c1fed6d1ccd4666a86391233c522eb39a0"
    )


@pytest.mark.parametrize(
    "other",
    [
        (replace(UTTERANCE, text="您好"), OUTPUT),
        (replace(UTTERANCE, speed=1.01), OUTPUT),
        (replace(UTTERANCE, pitch=1.0), OUTPUT),
        (replace(UTTERANCE, pitch_range=0.9), OUTPUT),
        (replace(UTTERANCE, voice=replace(VOICE, backend="other")), OUTPUT),
        (replace(UTTERANCE, voice=replace(VOICE, id="w")), OUTPUT),
        (replace(UTTERANCE, voice=replace(VOICE, version="2")), OUTPUT),
        (UTTERANCE, replace(OUTPUT, format=Format.FLAC)),
        (UTTERANCE, replace(OUTPUT, sample_rate=24_000)),
        (UTTERANCE, replace(OUTPUT, bitrate=64_000)),
        (UTTERANCE, replace(OUTPUT, resampler=ResampleQuality.QUICK)),
    ],
)
def test_whatever_changes_the_sound_changes_the_name(other):
    assert name_of(other) != name_of(PLAN)


def test_another_recipe_has_other_names(monkeypatch):
    before = name_of(PLAN)
    monkeypatch.setattr(disk_entry, "RECIPE", disk_entry.RECIPE + 1)
    assert name_of(PLAN) != before


def test_parts_do_not_run_into_each_other():
    assert name_of(("ab", "c")) != name_of(("a", "bc"))


def test_half_a_character_pair_has_a_name():
    assert len(name_of("\ud83d")) == 64


def test_what_has_no_canonical_form_is_refused():
    @dataclass(frozen=True)
    class Odd:
        names: frozenset[str]

    with pytest.raises(TypeError, match="frozenset"):
        name_of(Odd(frozenset({"a"})))
