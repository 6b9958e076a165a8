import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.english import read_numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$20", "20 dollars"),
        ("$1", "1 dollar"),
        ("€5.50", "5.50 euros"),
        ("¥500", "500 yen"),
        ("$1.5M", "1.5 million dollars"),
        ("$20k", "20 thousand dollars"),
        ("20k", "20 thousand"),
        ("4K", "4K"),
        ("3-5", "3 to 5"),
        ("10–20 people", "10 to 20 people"),
        ("-5", "-5"),
        ("1/2", "one half"),
        ("8/10", "8 out of 10"),
        ("24/7", "24 7"),
        ("2026-11-20", "November 20, 2026"),
        ("11/20/2026", "November 20, 2026"),
        ("in 2026", "in 20 26"),
        ("in 2000", "in 2000"),
        ("in 2026 people", "in 2026 people"),
        ("138-1234-5678", "1 3 8, 1 2 3 4, 5 6 7 8"),
        ("12:00", "12 o'clock"),
        ("12:00pm", "12:00pm"),
        ("9:30", "9:30"),
        ("5km/h", "5 kilometers per hour"),
        ("20°C", "20 degrees Celsius"),
        ("3 kg", "3 kilograms"),
        ("#1", "number 1"),
        ("50%", "50%"),
        ("1,000,000", "1,000,000"),
        ("RTX4090", "RTX4090"),
        ("no numbers", "no numbers"),
    ],
)
def test_numbers_are_said_as_english_says_them(text: str, words: str) -> None:
    assert read_numbers(text) == words


@given(st.text(st.sampled_from("0123456789.,:-/%$ #km"), max_size=30))
def test_no_text_is_too_strange(text: str) -> None:
    assert len(read_numbers(text)) <= 20 * len(text)
