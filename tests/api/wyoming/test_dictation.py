import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.wyoming.dictation import MAX_UNSPOKEN_CHARACTERS, Dictation
from app.api.wyoming.messages import SynthesizeStart, WantedVoice
from app.errors import InvalidInput, TextTooLong

PLAIN = SynthesizeStart(WantedVoice(name="v"))
MARKUP = SynthesizeStart(text_format="ssml")


def heard(*chunks: str, start: SynthesizeStart = PLAIN) -> list[list[str]]:
    dictation = Dictation(start, limit=0)
    requests = [*(dictation.hear(chunk) for chunk in chunks), dictation.finish()]
    return [[request.text for request in found] for found in requests]


def test_a_sentence_is_spoken_when_the_next_one_begins():
    assert heard("One. Tw", "o is", " here. Three") == [["One. "], [], ["Two is here. "], ["Three"]]
    assert heard("你好。今", "天") == [["你好。"], [], ["今天"]]


def test_markup_is_spoken_whole():
    assert heard("<speak>One. ", "Two.</speak>", start=MARKUP) == [[], [], ["<speak>One. Two.</speak>"]]


def test_nothing_is_asked_for_nothing():
    assert heard("", " ") == [[], [], []]


def test_a_sentence_without_end_is_spoken_in_parts():
    assert [len(text) for text in heard("a" * 1000)[0]] == [200] * 4


@given(st.lists(st.text("ab。. !你", max_size=300)))
def test_everything_is_spoken_once_and_nothing_waits_for_ever(chunks):
    dictation = Dictation(PLAIN, limit=0)
    spoken = ""
    for chunk in chunks:
        spoken += "".join(request.text for request in dictation.hear(chunk))
        assert len(dictation._unspoken) <= MAX_UNSPOKEN_CHARACTERS
    spoken += "".join(request.text for request in dictation.finish())
    assert spoken.rstrip() == "".join(chunks).rstrip()


def test_the_voice_is_that_of_the_start():
    assert [request.voice for request in Dictation(PLAIN, limit=0).hear("Yes. No")] == ["v"]


def test_it_is_bounded_and_of_a_known_format():
    with pytest.raises(TextTooLong):
        Dictation(PLAIN, limit=3).hear("abcd")
    with pytest.raises(InvalidInput):
        Dictation(SynthesizeStart(text_format="html"), limit=3)
