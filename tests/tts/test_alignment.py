import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.alignment import Timed, align, groups_of
from app.tts.speech import Mark, MarkKind
from app.tts.spoken_words import SpokenWord


def timed(symbols: str) -> list[Timed]:
    """A tenth of a second for each."""
    return [Timed(symbol, index / 10, (index + 1) / 10) for index, symbol in enumerate(symbols)]


@pytest.mark.parametrize(
    ("symbols", "groups"),
    [
        ("", []),
        ("həlˈoʊ", ["həlˈoʊ"]),
        ("hə wɜː", ["hə", "wɜː"]),
        ("hə , wɜː !", ["hə", "wɜː"]),
        (" hə  wɜː ", ["hə", "wɜː"]),
        ("5 2", []),
    ],
)
def test_words_are_what_stands_between_spaces(symbols: str, groups: list[str]) -> None:
    assert groups_of(symbols) == groups


def test_phonemes_carry_their_lengths_and_tones_but_no_stress() -> None:
    assert [(mark.text, mark.start, mark.end) for mark in align(timed("mˈɑː5,"))] == [
        ("m", 0.0, 0.1),
        ("ɑː5", 0.2, 0.5),
    ]


def test_each_word_comes_before_its_first_phoneme() -> None:
    marks = align(timed("ab ,c."), [SpokenWord("Ah", 0, 1), SpokenWord("see", 1, 2)])
    assert marks[0] == Mark(MarkKind.WORD, "Ah", 0.0, 0.2)
    assert [mark.text for mark in marks] == ["Ah", "a", "b", "see", "c"]


def test_a_word_of_several_groups_lasts_as_long_as_they() -> None:
    marks = align(timed("ab c d"), [SpokenWord("25", 0, 2), SpokenWord("of", 2, 3)])
    assert [(mark.start, mark.end) for mark in marks if mark.kind is MarkKind.WORD] == [(0.0, 0.4), (0.5, 0.6)]


@pytest.mark.parametrize("word", [SpokenWord("before", -1, 1), SpokenWord("beyond", 1, 3)])
def test_words_that_are_not_all_there_are_left_out(word: SpokenWord) -> None:
    assert {mark.kind for mark in align(timed("ab c"), [word])} == {MarkKind.PHONEME}


@given(st.text("abɑ ˈː5,.\u0303", max_size=30))
def test_marks_come_in_order_and_within_the_speech(symbols: str) -> None:
    count = len(groups_of(symbols))
    marks = align(timed(symbols), [SpokenWord(str(number), number, number + 1) for number in range(count)])
    starts = [mark.start for mark in marks]
    assert starts == sorted(starts)
    assert all(0 <= mark.start <= mark.end <= len(symbols) / 10 for mark in marks)
    assert sum(mark.kind is MarkKind.WORD for mark in marks) == count
