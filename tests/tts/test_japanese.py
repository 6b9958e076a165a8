import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.japanese import read_integer, read_laughs, read_numbers


@pytest.mark.parametrize(
    ("value", "kana"),
    [
        (0, "ゼロ"),
        (7, "なな"),
        (10, "じゅう"),
        (14, "じゅうよん"),
        (99, "きゅうじゅうきゅう"),
        (100, "ひゃく"),
        (300, "さんびゃく"),
        (600, "ろっぴゃく"),
        (801, "はっぴゃくいち"),
        (1000, "せん"),
        (3000, "さんぜん"),
        (8000, "はっせん"),
        (10000, "いちまん"),
        (10300, "いちまんさんびゃく"),
        (10_000_000, "いっせんまん"),
        (100_000_000, "いちおく"),
        (10**12, "いちちょう"),
        (10**16, "いち" + "ゼロ" * 16),
    ],
)
def test_integers(value: int, kana: str) -> None:
    assert read_integer(value) == kana


@pytest.mark.parametrize(
    ("text", "kana"),
    [
        ("2026年11月3日", "にせんにじゅうろくねんじゅういちがつみっか"),
        ("4月", "しがつ"),
        ("1人と3人", "ひとりとさんにん"),
        ("1:30", "いちじさんじゅっぷん"),
        ("9:00", "くじ"),
        ("6分", "ろっぷん"),
        ("5分", "ごふん"),
        ("3分", "さんぷん"),
        ("1回", "いっかい"),
        ("8個", "はっこ"),
        ("100回", "ひゃっかい"),
        ("100円", "ひゃくえん"),
        ("¥1,000", "せんえん"),
        ("50%", "ごじゅうパーセント"),
        ("20°C", "にじゅうど"),
        ("3.14", "さんてんいちよん"),
        ("-5", "マイナスご"),
        ("3-5", "さんからご"),
        ("090", "ゼロきゅうゼロ"),
        ("9012345678", "きゅうゼロいちにさんよんごろくななはち"),
    ],
)
def test_numbers_in_text(text: str, kana: str) -> None:
    assert read_numbers(text) == kana


@given(st.text(st.sampled_from("0123456789.,:-%¥円年分個w")))
def test_no_digit_is_left(text: str) -> None:
    kana = read_numbers(text)
    assert not re.search("[0-9]", kana)
    assert read_numbers(kana) == kana


def test_w_is_laughter_unless_it_is_in_a_word() -> None:
    assert read_laughs("すごいw それなwww wow www2 show") == "すごいわら それなわら wow わら2 show"
