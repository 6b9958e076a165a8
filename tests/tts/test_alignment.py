import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.alignment import Timed, align, words_of
from app.tts.speech import Mark, MarkKind


def timed(symbols: str) -> list[Timed]:
    """A tenth of a second for each."""
    return [Timed(symbol, index / 10, (index + 1) / 10) for index, symbol in enumerate(symbols)]


@pytest.mark.parametrize(
    ("symbols", "count"), [("", 0), ("həlˈoʊ", 1), ("hə wɜː", 2), ("hə , wɜː !", 2), (" hə  wɜː ", 2), ("5 2", 0)]
)
def test_words_are_what_stands_between_spaces(symbols: str, count: int) -> None:
    assert words_of(symbols) == count


def test_phonemes_carry_their_lengths_and_tones_but_no_stress() -> None:
    assert [(mark.text, mark.start, mark.end) for mark in align(timed("mˈɑː5,"))] == [
        ("m", 0.0, 0.1),
        ("ɑː5", 0.2, 0.5),
    ]


def test_each_word_comes_before_its_first_phoneme() -> None:
    marks = align(timed("ab ,c."), ["Ah,", "see"])
    assert marks[0] == Mark(MarkKind.WORD, "Ah,", 0.0, 0.2)
    assert [mark.text for mark in marks] == ["Ah,", "a", "b", "see", "c"]


@pytest.mark.parametrize("words", [["one"], ["one", "two", "three"]])
def test_words_that_do_not_fit_are_left_out(words: list[str]) -> None:
    assert {mark.kind for mark in align(timed("ab c"), words)} == {MarkKind.PHONEME}


@given(st.text("abɑ ˈː5,.\u0303", max_size=30))
def test_marks_come_in_order_and_within_the_speech(symbols: str) -> None:
    marks = align(timed(symbols), [str(number) for number in range(words_of(symbols))])
    starts = [mark.start for mark in marks]
    assert starts == sorted(starts)
    assert all(0 <= mark.start <= mark.end <= len(symbols) / 10 for mark in marks)
    assert sum(mark.kind is MarkKind.WORD for mark in marks) == words_of(symbols)
