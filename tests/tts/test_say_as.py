import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.say_as import read


def say(text: str, interpret_as: str, *, language: str = "en-US", format: str = "") -> str:
    return read(text, interpret_as=interpret_as, format=format, language=language)


@pytest.mark.parametrize(
    ("text", "interpret_as", "language", "spoken"),
    [
        ("1,234", "cardinal", "en-US", "1234"),
        ("-7", "number", "zh-CN", "-7"),
        ("3", "ordinal", "zh-CN", "第3"),
        ("3", "ordinal", "ja", "3番目"),
        ("2", "ordinal", "en-US", "2nd"),
        ("11", "ordinal", "en-US", "11th"),
        ("21", "ordinal", "en-US", "21st"),
        ("4", "ordinal", "de-DE", "4."),
        ("4", "ordinal", "fr-FR", "4e"),
        ("4", "ordinal", "vi", "4"),
        ("GG wp", "characters", "en-US", "G G w p"),
        ("GG", "Spell-Out", "zh-CN", "G G"),
        ("110", "digits", "zh-CN", "1 1 0"),
        ("010-1234", "telephone", "en-US", "0 1 0, 1 2 3 4"),
        ("+86 10", "telephone", "zh-CN", "+， 8 6， 1 0"),
        ("2026-11-20", "date", "zh-CN", "2026年11月20日"),
        ("2026-11-20", "date", "en-US", "November 20th, 2026"),
        ("11/20/2026", "date", "en-US", "November 20th, 2026"),
        ("11-20", "date", "ja", "11月20日"),
        ("2026", "date", "en-US", "2026"),
        ("2026-11-20", "date", "de", "20.11.2026"),
        ("14:05", "time", "zh-CN", "14点5分"),
        ("2:30pm", "time", "zh-CN", "14点30分"),
        ("9:00", "time", "ja", "9時"),
        ("9:00:07", "time", "zh-CN", "9点0分7秒"),
        ("2.30 p.m.", "time", "en-US", "2:30 p.m."),
        ("9:00:07", "time", "en-US", "9:00:07"),
    ],
)
def test_reading(text, interpret_as, language, spoken):
    assert say(text, interpret_as, language=language) == spoken


def test_day_first_where_the_format_says_so():
    assert say("10/11/2012", "date", format="dmy") == "November 10th, 2012"


@pytest.mark.parametrize(
    ("text", "interpret_as"),
    [
        ("many", "cardinal"),
        ("-3", "ordinal"),
        ("none", "telephone"),
        ("13/45/2026", "date"),
        ("soon", "date"),
        ("25:00", "time"),
        ("noon", "time"),
        ("whatever", "poem"),
    ],
)
def test_what_it_is_not_stays_as_it_stands(text, interpret_as):
    assert say(text, interpret_as) == text


@given(
    st.text(max_size=40),
    st.sampled_from(["cardinal", "ordinal", "characters", "digits", "date", "time"]),
    st.sampled_from(["en-US", "zh-CN", "ja", "de", ""]),
    st.sampled_from(["", "mdy", "ydm", "yy", "hms12"]),
)
def test_no_text_breaks_it(text, interpret_as, language, format):
    assert isinstance(say(text, interpret_as, language=language, format=format), str)
