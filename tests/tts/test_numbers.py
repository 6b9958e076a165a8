import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.tts.numbers import (
    LARGEST,
    read_count,
    read_decimal,
    read_digits,
    read_fraction,
    read_integer,
    read_percent,
    read_scaled,
    read_telephone,
    read_year,
)

DIGITS = {word: value for value, word in enumerate("零一二三四五六七八九")} | {"两": 2}
PLACES = {"十": 10, "百": 100, "千": 1000}


def parse(words: str) -> int:
    """Invert `read_integer` below 10¹⁶: 亿 splits, then 万, then places."""
    if words.startswith("负"):
        return -parse(words[1:])
    for word, unit in (("亿", 10**8), ("万", 10**4)):
        high, found, low = words.rpartition(word)
        if found:
            return parse(high) * unit + (parse(low) if low else 0)
    total = digit = 0
    for word in words:
        if word in PLACES:
            total += (digit or 1) * PLACES[word]
            digit = 0
        else:
            digit = DIGITS[word]
    return total + digit


@given(st.integers(0, 10**12) | st.integers(0, 10**6) | st.integers(0, 12).map(lambda n: 10**n))
@example(10**12)
def test_integers_can_be_understood(value: int) -> None:
    assert parse(read_integer(value)) == value
    assert value == 0 or read_integer(-value) == "负" + read_integer(value)


@given(st.integers(0, 10**16))
def test_gaps_are_one_zero_that_never_ends_a_number(value: int) -> None:
    words = read_integer(value)
    assert "零零" not in words
    assert value == 0 or not words.endswith("零")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "零"),
        (1, "一"),
        (2, "二"),
        (10, "十"),
        (11, "十一"),
        (12, "十二"),
        (19, "十九"),
        (20, "二十"),
        (22, "二十二"),
        (99, "九十九"),
        (100, "一百"),
        (101, "一百零一"),
        (110, "一百一十"),
        (115, "一百一十五"),
        (120, "一百二十"),
        (200, "二百"),
        (202, "二百零二"),
        (222, "二百二十二"),
        (250, "二百五十"),
        (1000, "一千"),
        (1001, "一千零一"),
        (1010, "一千零一十"),
        (1024, "一千零二十四"),
        (1100, "一千一百"),
        (2000, "两千"),
        (2002, "两千零二"),
        (2222, "两千二百二十二"),
        (9999, "九千九百九十九"),
        (10000, "一万"),
        (10001, "一万零一"),
        (10010, "一万零一十"),
        (10100, "一万零一百"),
        (11000, "一万一千"),
        (12345, "一万二千三百四十五"),
        (20000, "两万"),
        (20200, "两万零二百"),
        (22000, "两万二千"),
        (32000, "三万二千"),
        (100000, "十万"),
        (100010, "十万零一十"),
        (110000, "十一万"),
        (120000, "十二万"),
        (200000, "二十万"),
        (1000000, "一百万"),
        (1010000, "一百零一万"),
        (2000000, "二百万"),
        (10000000, "一千万"),
        (10000001, "一千万零一"),
        (10020000, "一千零二万"),
        (20000000, "两千万"),
        (100000000, "一亿"),
        (100000001, "一亿零一"),
        (100010000, "一亿零一万"),
        (123456789, "一亿二千三百四十五万六千七百八十九"),
        (200000000, "两亿"),
        (1400000000, "十四亿"),
        (200000000000, "两千亿"),
        (10**12, "一万亿"),
        (2 * 10**12, "两万亿"),
        (10**12 + 10**4, "一万亿零一万"),
        (10**16, "一亿亿"),
        (10**16 + 1, "一亿亿零一"),
        (-5, "负五"),
        (-2000, "负两千"),
    ],
)
def test_integers_as_a_native_says_them(value: int, words: str) -> None:
    assert read_integer(value) == words


def test_an_integer_with_no_name_is_read_digit_by_digit() -> None:
    assert read_integer(LARGEST + 1) == "一" + "零" * 24
    assert read_decimal("1" * 5000) == "一" * 5000


def test_two_that_counts_is_liang() -> None:
    assert [read_count(value) for value in (1, 2, 12, 20, 2000)] == ["一", "两", "十二", "二十", "两千"]


@pytest.mark.parametrize(
    ("numeral", "words"),
    [
        ("3.14", "三点一四"),
        ("0.5", "零点五"),
        (".5", "零点五"),
        ("-.5", "负零点五"),
        ("3.0", "三点零"),
        ("5.50", "五点五零"),
        ("1,000.5", "一千点五"),
        ("1,000,000", "一百万"),
        ("-12", "负十二"),
        ("−3", "负三"),
        ("+3", "三"),
        ("007", "零零七"),
        ("0", "零"),
        ("100.001", "一百点零零一"),
        ("2000", "两千"),
    ],
)
def test_decimals(numeral: str, words: str) -> None:
    assert read_decimal(numeral) == words


def test_digits_telephones_and_years() -> None:
    assert read_digits("2046") == "二零四六"
    assert read_telephone("110") == "幺幺零"
    assert [read_year(year) for year in ("2026", "1998", "2000", "98", "05", "8")] == [
        "二零二六",
        "一九九八",
        "二零零零",
        "九八",
        "零五",
        "八",
    ]


def test_fractions_percentages_and_scales() -> None:
    assert read_fraction("1", "2") == "二分之一"
    assert read_percent("50") == "百分之五十"
    assert read_percent("100") == "百分之百"
    assert read_percent("-3.5") == "负百分之三点五"
    assert read_percent("5", of="千") == "千分之五"
    assert read_scaled("1.5", 1000) == "一千五百"
    assert read_scaled("20", 1000) == "两万"
    assert read_scaled("1.2345", 1000) == "一千二百三十四点五"


@given(st.from_regex(r"\A-?(\d{1,30}|\d{1,3}(,\d{3}){0,5})(\.\d{1,5})?\Z"))
def test_every_numeral_is_read_without_digits_left(numeral: str) -> None:
    ascii_numeral = "".join(str(int(c)) if c.isdigit() else c for c in numeral)
    for words in (read_decimal(ascii_numeral), read_percent(ascii_numeral), read_scaled(ascii_numeral, 1000)):
        assert set(words) <= set("负零一二两三四五六七八九十百千万亿点分之")
