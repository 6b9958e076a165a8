import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.spoken_words import SpokenWord, match

READ = {
    "for": "fɔːɹ",
    "a": "ˈeɪ",
    "long": "lˈɔŋ",
    "time": "tˈaɪm",
    "25": "twˈɛnti fˈaɪv",
    "players": "plˈeɪɚz",
    "of": "ʌv",
    "the": "ðə",
    "best": "bˈɛst",
    "aren't": "ˈɑːɹnt",
    "大": "ta↘",
    "家": "ʨja→",
    "好": "xau↓",
    "玩": "wa↗n",
}
"""As espeak-ng and misaki read them alone."""


def words(text: str, spoken: str) -> list[tuple[str, int, int]]:
    return [(word.text, word.first, word.end) for word in match(text, spoken.split(), lambda word: READ.get(word, ""))]


def test_words_that_are_spoken_as_one_are_one() -> None:
    assert words("for a long time", "fɚɹə lˈɔŋ tˈaɪm") == [("for a", 0, 1), ("long", 1, 2), ("time", 2, 3)]


def test_a_number_is_several_spoken_words() -> None:
    found = words("25 of the best players", "twˈɛnti fˈaɪv ʌvðə bˈɛst plˈeɪɚz")
    assert found == [("25", 0, 2), ("of the", 2, 3), ("best", 3, 4), ("players", 4, 5)]


def test_one_word_too_many_and_one_too_few_make_no_guess_wrong() -> None:
    assert words("25 for a time", "twˈɛnti fˈaɪv fɚɹə tˈaɪm") == [("25", 0, 2), ("for a", 2, 3), ("time", 3, 4)]


def test_characters_make_the_words_that_are_spoken() -> None:
    assert words("大家好，玩！", "ta↘ʨja→ xau↓ wa↗n") == [("大家", 0, 1), ("好", 1, 2), ("玩", 2, 3)]


def test_punctuation_around_words_is_none_of_them() -> None:
    assert words("(for a) ‘long’ — time...", "fɚɹə lˈɔŋ tˈaɪm")[0] == ("for a", 0, 1)
    assert words("aren't :) time!", "ˌɑːɹnt tˈaɪm") == [("aren't", 0, 1), ("time", 1, 2)]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [("", "lˈɔŋ"), ("long", ""), ("?!", "lˈɔŋ"), ("long", "tˈaɪm"), ("long time", " ".join(["lˈɔŋ"] * 30))],
)
def test_what_does_not_fit_at_all_has_no_words(text: str, spoken: str) -> None:
    assert words(text, spoken) == []


@given(st.lists(st.sampled_from(sorted(READ)), min_size=1, max_size=12))
def test_law_what_is_read_word_by_word_is_found_word_by_word(said: list[str]) -> None:
    groups = [READ[word].replace(" ", "") for word in said]
    found = match(" ".join(said), groups, READ.__getitem__)
    assert found == tuple(SpokenWord(word, place, place + 1) for place, word in enumerate(said))


@given(st.lists(st.sampled_from(sorted(READ)), max_size=9), st.lists(st.sampled_from(sorted(READ)), max_size=9))
def test_law_words_follow_each_other_without_gaps(written: list[str], spoken: list[str]) -> None:
    groups = [group for word in spoken for group in READ[word].split()]
    found = match(" ".join(written), groups, READ.__getitem__)
    edges = [0, *(word.end for word in found)]
    assert [word.first for word in found] == edges[:-1]
    assert edges[-1] in (0, len(groups))
    assert " ".join(word.text for word in found) in ("", " ".join(written))
