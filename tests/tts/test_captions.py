from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.captions import LINE_WIDTH, LINES, LONGEST_SECONDS, Cue, captions, width
from app.tts.speech import Mark, MarkKind

WORDS = st.text("abcDEF9'你好嗎カéн", min_size=1, max_size=12)
BETWEEN = st.sampled_from(["", " ", ", ", ". ", "，", "。", "！」", " (", "… ", "\n", " - ", "<"])


def timed(*words: tuple[str, float, float]) -> list[Mark]:
    """Return a mark for each word, of which text, seconds of silence before it and seconds are given."""
    marks, now = [], 0.0
    for text, silence, seconds in words:
        marks.append(Mark(MarkKind.WORD, text, now + silence, now + silence + seconds))
        now += silence + seconds
    return marks


def even(text: str, *, seconds: float = 0.25) -> list[Mark]:
    """Return marks of the words of a text, each of the same length."""
    return timed(*((word.strip(".,!?"), 0.0, seconds) for word in text.split()))


def lines(cue: Cue) -> list[str]:
    return ["".join(word.text for word in line).strip() for line in cue.lines]


def shown(text: str, marks: list[Mark], *, duration: float | None = None) -> list[list[str]]:
    return [lines(cue) for cue in captions(text, marks, duration=duration or marks[-1].end)]


@given(
    st.lists(st.tuples(WORDS, BETWEEN, st.floats(0, 1), st.floats(0.02, 2)), min_size=1, max_size=60), st.floats(0, 2)
)
def test_cues_hold_the_text_in_order_and_within_the_speech(
    spoken: list[tuple[str, str, float, float]], rest: float
) -> None:
    text = "".join(word + between for word, between, _, _ in spoken)
    marks = timed(*((word, silence, seconds) for word, _, silence, seconds in spoken))
    duration = marks[-1].end + rest
    cues = captions(text, marks, duration=duration)
    assert "".join("".join(lines(cue)) for cue in cues).replace(" ", "") == "".join(text.split())
    assert 0 <= cues[0].start <= cues[-1].end <= duration
    assert all(cue.start < cue.end for cue in cues)
    assert all(cue.end <= following.start for cue, following in pairwise(cues))
    for cue in cues:
        assert len(cue.lines) <= LINES
        assert max(map(width, lines(cue))) <= LINE_WIDTH
        assert cue.end - cue.start <= LONGEST_SECONDS


@given(st.text(max_size=100), st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_text_is_whole_whatever_the_words_are(text: str, words: list[tuple[str, float, float]]) -> None:
    cues = captions(text, timed(*words), duration=50.0)
    whole = "".join("".join(lines(cue)) for cue in cues)
    assert not cues or "".join(whole.split()) == "".join(text.split())


def test_cue_ends_with_its_sentence() -> None:
    text = "What a lovely evening this is. And now we sing!"
    assert shown(text, even(text)) == [["What a lovely evening this is."], ["And now we sing!"]]


def test_short_sentences_share_a_cue() -> None:
    assert shown("One. Two. Three.", even("One. Two. Three.")) == [["One. Two. Three."]]


def test_cue_ends_at_a_pause() -> None:
    marks = timed(("one", 0, 0.5), ("two", 0, 0.5), ("three", 0.4, 0.5))
    assert shown("one two three", marks) == [["one two"], ["three"]]


def test_long_sentence_is_cut_after_its_comma() -> None:
    text = (
        "Please do not ever stop the music, because everyone who is here with us tonight loves it more than words say."
    )
    (first, second) = shown(text, even(text))
    assert first == ["Please do not ever stop the music,"]
    assert " ".join(second).startswith("because")


def test_lines_are_cut_after_a_comma_and_even_without_one() -> None:
    text = "This is the first half of it, and this is the other."
    assert shown(text, even(text)) == [["This is the first half of it,", "and this is the other."]]
    text = "This is a sentence that has no comma in its middle."
    assert shown(text, even(text)) == [["This is a sentence that", "has no comma in its middle."]]


def test_wide_characters_fill_a_line_with_eighteen() -> None:
    text = "主播今天真的好棒这个操作太秀了我们一起加油大家晚上好看到你们"
    (cue,) = shown(text, timed(*((character, 0, 0.15) for character in text)))
    assert [len(line) for line in cue] == [15, 15]


def test_brackets_and_quotes_go_with_their_word() -> None:
    text = "It was a very long day, he said (and sighed), “but now it is over, and that is good”."
    joined = shown(text, even("It was a very long day, he said and sighed but now it is over, and that is good"))
    assert all(not line.endswith(("(", "“")) for cue in joined for line in cue)


def test_word_that_is_wider_than_a_line_is_cut() -> None:
    assert shown("x" * 100, timed(("x" * 100, 0, 1))) == [["x" * 36, "x" * 36, "x" * 28]]


def test_short_cue_stays_while_nothing_follows() -> None:
    (cue,) = captions("Hi!", timed(("Hi", 0.1, 0.2)), duration=3.0)
    assert [cue.start, cue.end] == pytest.approx([0.1, 0.1 + 5 / 6])
    (cue,) = captions("Hi!", timed(("Hi", 0.1, 0.2)), duration=0.5)
    assert cue.end == 0.5


def test_word_that_was_read_otherwise_takes_its_place_without_a_time() -> None:
    marks = timed(("it", 0, 0.5), ("is", 0, 0.5), ("five", 0, 0.5), ("dollars", 0, 0.5), ("now", 0, 0.5))
    (cue,) = captions("it is $5 now", marks, duration=3.0)
    assert [(word.text, word.start) for word in cue.lines[0]] == [("it ", 0.0), ("is $5 ", 0.5), ("now", 2.0)]


def test_no_times_make_no_captions() -> None:
    assert captions("hello", [], duration=1.0) == []
    assert captions("hello", [Mark(MarkKind.PHONEME, "h", 0, 1)], duration=1.0) == []
