import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lipsync.mouth.visemes import UNKNOWN, visemes_of

OPEN, WIDE, UPPER = range(3)
OF_ESPEAK = [
    "p",
    "pʰ",
    "b",
    "m",
    "f",
    "v",
    "w",
    "ˈɑu",
    "ʈʂʰ",
    "tɕʰ",
    "ɻ̩",
    "χ",
    "ˈiɛ",
    "ɔ̃",
    "ʁ",
    "œ̃",
    "o̞",
    "ä",
    "ɴ",
    "pf",
    "ˈøː",
    "ɐ̯",
    "dʲ",
    "t͡ʃ",
    "r̝̊",
    "ɫ",
    "tS",
    "ʦ",
    "ˈε",
    "ɯᵝ",
    "l#",
    "ˈu-",
    "əl",
    "m̩",
]
"""Names that espeak-ng gives in some language or other."""


@pytest.mark.parametrize("ipa", OF_ESPEAK)
def test_every_name_of_espeak_is_known(ipa):
    assert visemes_of(ipa) and UNKNOWN not in visemes_of(ipa)


@pytest.mark.parametrize("ipa", ["p", "b", "m", "pʰ", "m̩", "ɓ", "ˈm"])
def test_lips_meet_for_bilabials(ipa):
    assert visemes_of(ipa)[0].is_closed and visemes_of(ipa)[0].target[OPEN] == 0


def test_nothing_else_closes_them():
    assert not any(each.is_closed for ipa in ("f", "v", "w", "n", "a", "s", "k") for each in visemes_of(ipa))


def test_the_upper_lip_is_raised_most_for_f():
    assert visemes_of("f")[0].target[UPPER] > max(visemes_of(ipa)[0].target[UPPER] for ipa in "pmszʃaiu")


def test_vowels_open_as_their_height_says():
    opened = [visemes_of(ipa)[0].target[OPEN] for ipa in "aɛei"]
    assert opened == sorted(opened, reverse=True)


@pytest.mark.parametrize(("spread", "round_"), [("i", "y"), ("e", "ø"), ("ɯ", "u"), ("ɤ", "o"), ("s", "ʃ"), ("j", "w")])
def test_lips_are_spread_or_round(spread, round_):
    assert visemes_of(spread)[0].target[WIDE] > 0 > visemes_of(round_)[0].target[WIDE]


def test_a_diphthong_goes_from_one_vowel_to_another():
    first, second = visemes_of("ˈaɪ")
    assert first.target[OPEN] > 2 * second.target[OPEN] and second.target[WIDE] > first.target[WIDE]


def test_stress_opens():
    assert visemes_of("ˈɛ")[0].target[OPEN] > visemes_of("ɛ")[0].target[OPEN]


def test_a_letter_is_rounded_or_spread_by_what_follows_it():
    assert visemes_of("kʷ")[0].target[WIDE] < 0 < visemes_of("kʲ")[0].target[WIDE]


@pytest.mark.parametrize(("ipa", "like"), [("ã", "a"), ("ũ", "u"), ("ƥ", "p"), ("ᵽ", "p"), ("A", "a"), ("ɫ", "l")])
def test_other_letters_are_taken_for_what_they_are_made_of(ipa, like):
    assert visemes_of(ipa) == visemes_of(like)


def test_what_is_no_letter_of_ours_is_a_mouth_a_little_open():
    assert visemes_of("ж") == (UNKNOWN,)


@pytest.mark.parametrize("ipa", ["", "ː", "ˈ", "1", "5", "_:", "ʲ"])
def test_marks_alone_are_no_sound(ipa):
    assert visemes_of(ipa) == ()


@given(st.text(max_size=8))
def test_anything_is_read(ipa):
    for viseme in visemes_of(ipa):
        opened, wide, upper = viseme.target
        assert 0 <= opened <= 1 and -1 <= wide <= 1 and 0 <= upper <= 1 and min(viseme.weight) > 0
