from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput, NothingToSpeak, VoiceNotFound
from app.tts.backend import unpitched
from app.tts.backends.tone import Tone
from app.tts.composer import compose, main_language
from app.tts.disk_entry import name_of
from app.tts.score import Pause, Phrase, Score
from app.tts.speech import Manner, SpeechRequest
from app.tts.text import is_speakable
from app.tts.treatment import Treatment

TONE = Tone()


def written(text: str, **fields) -> Score:
    request = SpeechRequest(text, **fields)
    voice = TONE.find_voice(request.voice) if request.voice else TONE.choose_voice(main_language(request, default="zh"))
    return compose(request, voice, TONE)


def lines(score: Score) -> list[tuple[str, str]]:
    return [(phrase.utterance.voice.id, phrase.utterance.text) for phrase in score.phrases]


def test_a_line_is_one_phrase():
    [phrase] = written("你好 [doge] 666", speed=1.5, timestamps=True).parts
    assert isinstance(phrase, Phrase)
    assert (phrase.utterance.speed, phrase.utterance.marks, phrase.gain) == (1.5, True, 0.0)


def test_a_sentence_in_another_language_gets_a_voice_of_its_own():
    assert lines(written("大家好！I have 3 cats at home. 再见")) == [
        ("zh", "大家好！"),
        ("en", "I have 3 cats at home."),
        ("zh", "再见"),
    ]


def test_a_named_voice_speaks_everything():
    assert [voice for voice, _ in lines(written("大家好！I have 3 cats at home.", voice="zh-low"))] == ["zh-low"]


def test_what_no_voice_can_read_stays_with_the_main_one():
    assert lines(written("他说안녕하세요")) == [("zh", "他说안녕하세요")]


def test_marks_alone_are_no_phrase():
    assert lines(written("大家好！Hello to all of you! :)")) == [("zh", "大家好！"), ("en", "Hello to all of you!")]


@pytest.mark.parametrize(("text", "ssml"), [("😀", False), ("<speak/>", True), ("<speak>…<break/></speak>", True)])
def test_nothing_to_speak(text, ssml):
    with pytest.raises(NothingToSpeak):
        written(text, ssml=ssml)


def test_markup_becomes_phrases_and_pauses():
    score = written(
        '<speak>你好<break time="1s"/><prosody rate="fast" pitch="+2st" volume="soft">快点</prosody></speak>',
        ssml=True,
        speed=2.0,
    )
    first, pause, second = score.parts
    assert pause == Pause(1.0)
    assert isinstance(first, Phrase) and isinstance(second, Phrase)
    assert (first.utterance.speed, first.utterance.pitch, first.gain) == (2.0, 0.0, 0.0)
    assert (second.utterance.speed, second.utterance.pitch, second.gain) == (2.6, 2.0, -6.0)


class Mute(Tone):
    """Has one melody."""

    def reach(self, utterance):
        return unpitched(utterance)


class Narrow(Tone):
    """Reaches four semitones."""

    def reach(self, utterance):
        return replace(utterance, pitch=min(utterance.pitch, 4.0), pitch_range=max(utterance.pitch_range, 0.5))


def composed(backend: Tone, text: str = "你好", **fields) -> Phrase:
    [phrase] = compose(SpeechRequest(text, **fields), TONE.find_voice("zh"), backend).phrases
    return phrase


def test_what_the_voice_can_do_it_does_itself():
    phrase = composed(TONE, manner=Manner(pitch=3, pitch_range=0.5))
    assert (phrase.utterance.pitch, phrase.utterance.pitch_range, phrase.treatment) == (3.0, 0.5, None)


def test_what_it_cannot_do_is_done_to_its_sound():
    phrase = composed(Mute(), manner=Manner(pitch=3, pitch_range=0.5, timbre=1, tilt=-2))
    assert (phrase.utterance.pitch, phrase.utterance.pitch_range) == (0.0, 1.0)
    assert phrase.treatment == Treatment(pitch=3.0, pitch_range=0.5, timbre=1.0, tilt=-2.0)


def test_what_it_can_do_in_part_is_shared_out():
    phrase = composed(Narrow(), manner=Manner(pitch=6, pitch_range=0.2))
    assert (phrase.utterance.pitch, phrase.utterance.pitch_range) == (4.0, 0.5)
    assert phrase.treatment == Treatment(pitch=2.0, pitch_range=0.4)
    assert composed(Narrow(), manner=Manner(pitch=3)).treatment is None


def test_a_level_melody_is_level_whoever_makes_it():
    assert composed(Mute(), manner=Manner(pitch_range=0)).treatment == Treatment(pitch_range=0.0)
    assert composed(TONE, manner=Manner(pitch_range=0)).treatment is None


def test_markup_and_manner_add_up_within_bounds():
    markup = '<speak><prosody pitch="+8st" volume="+6dB" range="x-high">你好</prosody></speak>'
    phrase = composed(TONE, markup, ssml=True, manner=Manner(pitch=2, volume=3, pitch_range=0.5))
    assert (phrase.utterance.pitch, phrase.gain, phrase.utterance.pitch_range) == (10.0, 9.0, 0.9)
    phrase = composed(TONE, markup, ssml=True, manner=Manner(pitch=10, volume=12, pitch_range=2))
    assert (phrase.utterance.pitch, phrase.gain, phrase.utterance.pitch_range) == (12.0, 12.0, 2.0)


def test_nothing_asked_for_is_the_same_phrase_as_ever():
    assert composed(Mute(), manner=Manner()) == composed(Mute()) == composed(TONE)


@given(st.sampled_from(["pitch", "pitch_range", "timbre", "tilt", "volume"]), st.floats(0, 2), st.floats(0, 2))
def test_only_what_is_asked_for_alike_has_one_name(field, one, other):
    for backend in (TONE, Mute()):
        first, second = (composed(backend, manner=Manner(**{field: value})) for value in (one, other))
        assert (first == second) == (name_of(first) == name_of(second))
        if abs(one - other) > 0.001:
            assert first != second


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<voice name="en-low">你好</voice>', [("en-low", "你好")]),
        ('<voice gender="male">你好</voice>', [("zh-low", "你好")]),
        ('你好<lang xml:lang="en">GG</lang>', [("zh", "你好"), ("en", "GG")]),
        ('<voice gender="male" xml:lang="en-US">哈</voice>你好', [("zh-low", "哈"), ("zh", "你好")]),
        ('第<say-as interpret-as="digits">12</say-as>', [("zh", "第"), ("zh", "一 二")]),
        ('<voice gender="neutral">你好</voice>', [("zh", "你好")]),
    ],
)
def test_wishes(markup, expected):
    assert lines(written(f"<speak>{markup}</speak>", ssml=True)) == expected


def test_the_root_tells_the_main_language():
    assert lines(written('<speak xml:lang="en-US">GG</speak>', ssml=True)) == [("en", "GG")]


def test_a_language_that_is_known_needs_no_guess():
    assert main_language(SpeechRequest("GG", language="ja"), default="zh-CN") == "ja"


def test_a_voice_that_is_not_there_is_told():
    with pytest.raises(VoiceNotFound):
        written('<speak>好<voice name="nobody">a</voice></speak>', ssml=True)


def test_text_that_is_no_markup_is_told():
    with pytest.raises(InvalidInput, match="SSML"):
        written("1 < 2", ssml=True)


@given(st.text() | st.text("今天さく안 ab.!？😀<>&1", max_size=80), st.booleans())
def test_any_text_is_composed_or_refused(text, ssml):
    try:
        request = SpeechRequest(f"<speak>{text}</speak>" if ssml else text, ssml=ssml)
        score = compose(request, TONE.find_voice("zh"), TONE)
    except (NothingToSpeak, InvalidInput):
        return
    assert all(is_speakable(phrase.utterance.text) for phrase in score.phrases)
